"""The API reference: a page for every room of the packages, and the names each exports.

Of `prefrontal`, `envs`, `analysis` and `behaviour` it holds every public name; of `agents` what it
exports, settings, networks and reference policies: what is inside the learners is for those who
read their source.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

PACKAGES = ("envs", "agents", "analysis", "behaviour")
#: Of the agents, beside the modules of what they export and all settings.
AGENTS = ("common.returns", "networks", "reference", "rollout.spec", "rollout.meta_inputs", "runs")


def modules(package: str) -> list[str]:
    """Return the full names of the modules of a package that the reference shows."""
    root = importlib.import_module(f"prefrontal.{package}")
    inside = pkgutil.walk_packages(root.__path__, root.__name__ + ".")
    names = [root.__name__, *sorted(found.name for found in inside)]
    if package == "agents":
        own = {getattr(root, name).__module__ for name in root.__all__}
        shown = tuple(f"{root.__name__}.{name}" for name in AGENTS)
        names = [n for n in names if n in own or n.startswith(shown) or n.endswith(".config")]
    if package == "envs":  # tasks have pages of their own
        names = [n for n in names if n.rpartition(".")[2] not in root.TASKS.values()]
    return names


def public() -> list[str]:
    """Return the full names of all that must have an entry: classes and functions, by package."""
    import prefrontal
    from prefrontal import envs

    names = [f"prefrontal.{name}" for name in prefrontal.__all__]
    names += [f"prefrontal.envs.{name}" for name in envs.TASKS]
    for module in (importlib.import_module(m) for package in PACKAGES for m in modules(package)):
        names += [
            f"{module.__name__}.{name}"
            for name, found in vars(module).items()
            if not name.startswith("_")
            and (inspect.isclass(found) or inspect.isfunction(found))
            and found.__module__ == module.__name__
        ]
    return names


def directive(kind: str, name: str, *options: str) -> list[str]:
    """Return a directive of autodoc, fenced for Markdown."""
    return ["```{eval-rst}", f".. {kind}:: {name}", *(f"   {o}" for o in options), "```", ""]


def front() -> list[str]:
    """Return the page of what `import prefrontal` gives."""
    import prefrontal

    lines = ["# prefrontal", "", "`import prefrontal as pf` gives these names.", ""]
    for name in prefrontal.__all__:
        kind = "autoclass" if isinstance(getattr(prefrontal, name), type) else "autofunction"
        options = [":members:"] if kind == "autoclass" else []
        lines += directive(kind, f"prefrontal.{name}", *options)
    return lines


def exports(package: str) -> list[str]:
    """Return a list of the names that a package exports, each with a link to where it is."""
    module = importlib.import_module(f"prefrontal.{package}")
    tasks = getattr(module, "TASKS", {})
    links = [
        f"[{name}](../tasks/{name}.md)"
        if name in tasks
        else f"{{py:obj}}`{name} <{getattr(module, name).__module__}.{name}>`"
        for name in getattr(module, "__all__", ())
        if name in tasks or isinstance(getattr(module, name), type) or name in _functions(module)
    ]
    said = f"`from prefrontal.{package} import …`: {', '.join(links)}."
    return [said, ""] if links else []


def _functions(module: object) -> set[str]:
    return {name for name in getattr(module, "__all__", ()) if callable(getattr(module, name))}


def write(out: Path) -> None:
    """Write all pages of the reference and their table of contents."""
    out.mkdir(parents=True, exist_ok=True)
    pages = {"prefrontal": front()}
    for package in PACKAGES:
        for name in modules(package):
            deep = package in ("analysis", "behaviour") or name.startswith(
                ("prefrontal.agents.networks", "prefrontal.agents.reference")
            )
            title = ".".join(name.split(".")[1 : 3 if deep else 2])
            lines = pages.setdefault(title, [f"# {title}", ""])
            lines += exports(package) if name == f"prefrontal.{package}" else []
            lines += [f"## {name}", ""] if len(lines) > 2 else []
            lines += directive("automodule", name, ":members:", ":ignore-module-all:")
    pages["index"] = ["# API", "", "```{toctree}", ":maxdepth: 1", "", *pages, "```", ""]
    for title, lines in pages.items():
        text, page = "\n".join(lines), out / f"{title}.md"
        if not page.is_file() or page.read_text() != text:
            page.write_text(text)
    for page in out.glob("*.md"):
        if page.stem not in pages:
            page.unlink()
