"""What there is, by name: one line each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from prefrontal import envs
from prefrontal.agents.common.files import read_toml
from prefrontal.agents.networks.config import CORES, SUMMARIES
from prefrontal.behaviour.named import ADDITIONS, MODELS
from prefrontal.experiments.names import summaries
from prefrontal.experiments.settings import LEARNERS
from prefrontal.shipped import shipped_folder, shipped_names


def lines(what: str) -> Iterator[str]:
    """Yield the lines of `prefrontal list`; `what` is one of its kinds, or `all`."""
    kinds = {
        "experiments": summaries(),
        "environments": {
            f"prefrontal/{name}-v0": _first(envs.task_class(name)) for name in envs.TASKS
        },
        "cores": {name: SUMMARIES.get(name, "") for name in CORES},
        "learners": {name: _first(config) for name, (config, _) in LEARNERS.items()},
        "shipped": {name: _trained(name) for name in shipped_names()},
        "models": MODELS | {"rw+...": f"with any of {', '.join(ADDITIONS)}, in any order"},
    }
    for kind, named in kinds.items():
        if what in (kind, "all"):
            if what == "all":
                yield f"{kind}:"
            indent = "  " if what == "all" else ""
            yield from (f"{indent}{name:38} {text}" for name, text in named.items())


def _first(made: object) -> str:
    return (inspect.getdoc(made) or "").partition("\n")[0]


def _trained(name: str) -> str:
    """Return what a shipped population is made of."""
    folder = shipped_folder(name)
    assert folder is not None
    conditions = read_toml(folder / "config.toml")["conditions"]
    sizes = [one["training"] for one in conditions.values()]
    members = " + ".join(str(one.get("members", 1)) for one in sizes)
    longest = max(one.get("total_steps", 0) for one in sizes)
    return f"{members} members, {longest:,} environment steps each"
