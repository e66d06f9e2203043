"""Who may import whom, wherever an import hides, and what every file owes its reader."""

import ast
import importlib.util
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agents", "envs", "analysis", "behaviour", "experiments")
PROGRAMS = ("train", "evaluate")
FRONT_ROOMS = ("checks", "showing", "templates")  # folders of the front

BELOW = {"prefrontal.checking"}
UNDER = BELOW | {"prefrontal.agents", "prefrontal.analysis"}
FINDINGS = UNDER | {"prefrontal.behaviour", "prefrontal.envs"}

#: What a package or program may import of the others. `prefrontal` itself is the front: its modules
#: import all packages and each other, and no package imports them.
ALLOWED = {
    "prefrontal.checking": set(),
    "prefrontal.envs": BELOW,
    "prefrontal.agents": BELOW,
    "prefrontal.analysis": BELOW,
    "prefrontal.behaviour": UNDER,
    "prefrontal.experiments": FINDINGS,
    "prefrontal": FINDINGS | {"prefrontal.experiments"},
    "train": {"prefrontal"},
    "evaluate": {"prefrontal"},
}

#: Rooms of the agents, from the ground up; a room may import those before it.
ROOMS = [
    {"common"},
    {"kernels"},
    {"networks"},
    {"rollout"},
    {"rules"},
    {"replay"},
    {"runs"},
    {"base"},
    {"a2c", "reference"},
    {"population"},
    {"r2d2", "td3", "evolution", "supervised", "hebbian", "gradient_policies"},
    {"registry"},
    {"training"},
]


def modules() -> dict[str, Path]:
    """Every module of ours by its full name."""
    found = {name: ROOT / f"{name}.py" for name in PROGRAMS}
    roots = [(ROOT / name, f"prefrontal.{name}") for name in PACKAGES]
    for path in sorted((ROOT / "prefrontal").glob("*.py")):
        found[f"prefrontal.{path.stem}".removesuffix(".__init__")] = path
    roots += [(ROOT / "prefrontal" / name, f"prefrontal.{name}") for name in FRONT_ROOMS]
    for root, package in roots:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """Everything that a file imports: anywhere in it, in functions, for type checking, or by name.

    Of ``from package import name`` it is the module ``package.name``, where there is one.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: import by full name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else str(node.module))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).endswith(("import_module", "__import__"))
            found |= {str(a.value) for a in node.args[:1] if called and isinstance(a, ast.Constant)}
    return found


def ours(names: set[str]) -> set[str]:
    """The modules of ours among imported names; of tests and benchmarks only that."""
    others = {name.partition(".")[0] for name in names} & {"tests", "benchmarks"}
    return names & set(MODULES) | others


GRAPH = {name: ours(imported(path)) for name, path in MODULES.items()}


def package(module: str) -> str:
    """The entry of `ALLOWED` that a module belongs to."""
    first = ".".join(module.split(".")[:2])
    return first if first in ALLOWED else module.partition(".")[0]  # the front, or a program


def room(module: str) -> int | None:
    """The floor of a module of the agents; None for `agents/__init__.py`."""
    parts = module.split(".")
    if parts[:2] != ["prefrontal", "agents"] or len(parts) < 3:
        return None
    return next(floor for floor, names in enumerate(ROOMS) if parts[2] in names)


def test_there_are_no_circles():
    try:
        list(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_packages_import_downwards():
    wrong = [
        f"{module} imports {name}"
        for module, names in GRAPH.items()
        for name in sorted(names)
        if package(name) not in ALLOWED[package(module)] | {package(module)}
    ]
    assert not wrong


def test_rooms_of_the_agents_import_downwards():
    wrong = []
    for module, names in GRAPH.items():
        for name in sorted(names):
            here, there = room(module), room(name)
            if here is None or there is None:
                continue
            same = module.split(".")[2] == name.split(".")[2]
            if there > here or (there == here and not same):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_imports_are_found_wherever_they_hide(tmp_path):
    file = tmp_path / "x.py"
    file.write_text(
        "if TYPE_CHECKING:\n    import torch, prefrontal.analysis as a\n"
        "def f():\n    from prefrontal.envs.gym import TaskEnv\n    from prefrontal import agents\n"
        "    importlib.import_module('prefrontal.agents.population')\n"
    )
    assert imported(file) == {
        "torch",
        "prefrontal.analysis",
        "prefrontal.envs.gym",
        "prefrontal.agents",
        "prefrontal.agents.population",
    }


def test_links_lead_to_the_packages():
    for name in (*PACKAGES, "pretrained"):
        assert (ROOT / "prefrontal" / name).resolve() == ROOT / name
        assert importlib.util.find_spec(f"prefrontal.{name}") is not None


def test_every_folder_of_modules_is_a_package():
    """Others are left out of the wheel."""
    folders = {path.parent for path in MODULES.values()} - {ROOT}
    lacking = [folder for folder in folders if folder / "__init__.py" not in MODULES.values()]
    assert not lacking


def test_files_are_short_and_finished():
    assert not [p for p in MODULES.values() if len(p.read_text().splitlines()) > 400]
    words = ("TODO", "FIXME", "XXX", "breakpoint(", "fmt: skip", "fmt: off")
    assert not [(p, word) for p in MODULES.values() for word in words if word in p.read_text()]


def test_rooms_say_what_they_are_for():
    rooms = [p for p in MODULES.values() if p.name == "__init__.py"]
    assert not [
        p for p in rooms if len((ast.get_docstring(ast.parse(p.read_text())) or "").split()) < 8
    ]
