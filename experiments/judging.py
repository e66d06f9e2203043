"""Which code judged a finding, so that a table that no longer follows the code is noticed."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from prefrontal.experiments.names import module_of

PACKAGE = Path(__file__).parents[1]  # the folder of `prefrontal`, or the root of a checkout
#: Code that measures and judges: the modules of the experiments, analyses, reference policies.
JUDGES = ("experiments.", "analysis.", "agents.reference.")
#: Modules below these that do not: figures, and what directly lies in `experiments` (the machinery
#: of runs).
SILENT = ("analysis.figures.",)


#: Fingerprint of a module, and what it imports, by its name.
Read = dict[str, tuple[str, set[str]]]


def fingerprint(experiment: str, read: Read | None = None) -> str:
    """Return the fingerprint of the code that judges an experiment.

    It covers the experiment's module and all that it imports, directly or not, of `JUDGES`.
    Comments, docstrings and layout do not count.

    Args:
        experiment: Its name.
        read: Modules that were read before; the others are added.

    Raises:
        ConfigError: There is no such experiment.
    """
    read = {} if read is None else read
    found, todo = set[str](), {module_of(experiment).removeprefix("prefrontal.")}
    while todo:
        module = todo.pop()
        if module not in read:
            tree = ast.parse(_file(module).read_text())
            read[module] = _digest(repr(_plain(tree))), _imported(tree)
        found.add(module)
        todo |= read[module][1] - found
    return _digest("\n".join(f"{module} {read[module][0]}" for module in sorted(found)))[:16]


def stale(findings: Iterable[Path]) -> list[str]:
    """Return the experiments whose ``findings.json`` other code judged than there is now."""
    told, read = [json.loads(path.read_text()) for path in findings], Read()
    return [
        one["experiment"] for one in told if one.get("code") != fingerprint(one["experiment"], read)
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _file(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def _imported(tree: ast.Module) -> set[str]:
    """Return the modules that judge among those that a module imports (files, not packages)."""
    names = {
        name.removeprefix("prefrontal.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in (f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names))
        if name.startswith("prefrontal.")
    }
    return {name for name in names if _judges(name) and _file(name).is_file()}


def _judges(name: str) -> bool:
    machinery = name.startswith("experiments.") and name.count(".") == 1
    return name.startswith(JUDGES) and not (machinery or name.startswith(SILENT))


def _plain(node: object) -> object:
    """Return a syntax tree as nested tuples, the same in all versions of Python."""
    if isinstance(node, list):
        return tuple(_plain(one) for one in node)
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    told = {name: value for name, value in fields.items() if value is not None and value != []}
    return type(node).__name__, tuple((name, _plain(value)) for name, value in told.items())
