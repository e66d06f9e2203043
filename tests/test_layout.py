"""Who may import whom, and what every file owes its reader."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = {"agents", "analysis", "benchmarks", "envs", "experiments"}
PROGRAMS = {"train", "evaluate", "reproduce"}
ALLOWED = {
    "envs": set(),
    "agents": set(),
    "analysis": set(),
    "experiments": {"agents", "analysis", "envs"},
    "train": {"agents", "analysis", "experiments"},
    "evaluate": {"agents", "analysis", "experiments"},
    "reproduce": {"agents", "analysis", "experiments", "train", "evaluate"},
}
FILES = sorted(p for name in ALLOWED for p in ROOT.glob(f"{name}/**/*.py")) + [
    ROOT / f"{name}.py" for name in sorted(PROGRAMS)
]


def owner(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Packages that a file imports anywhere in it, with what it names to `import_module` or for type checking."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: import by full name"
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            named = node.args[0]
            if isinstance(named, ast.Constant):
                found.add(str(named.value).partition(".")[0])
    return found


def test_the_packages_are_the_ones_we_know():
    """A new one has to be given its place among the rules."""
    found = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found <= OURS
    assert {p.stem for p in ROOT.glob("*.py")} == PROGRAMS


def test_imports_go_one_way():
    wrong = []
    for path in FILES:
        found = imported(path) - {owner(path)}
        wrong += [
            f"{path.relative_to(ROOT)} imports {name}"
            for name in sorted(found & (OURS | PROGRAMS | {"tests"}) - ALLOWED[owner(path)])
        ]
    assert not wrong


def test_imports_are_found_wherever_they_hide(tmp_path):
    file = tmp_path / "x.py"
    file.write_text(
        "if TYPE_CHECKING:\n    import torch, prefrontal.analysis.figures.learning as figures\n"
        "def f():\n    from prefrontal.envs.gym import TaskEnv\n    importlib.import_module('prefrontal.agents.a2c.learner')\n"
    )
    assert imported(file) == {"torch", "analysis", "envs", "agents"}


def test_files_are_short_and_finished():
    assert not [p for p in FILES if len(p.read_text().splitlines()) > 500]
    words = ("TODO", "FIXME", "XXX", "breakpoint(")
    assert not [(p, word) for p in FILES for word in words if word in p.read_text()]
