"""Which run is to be evaluated, and whether it can be: asked before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean, quoted
from prefrontal.experiments import own_environment
from prefrontal.experiments.experiment import Experiment
from prefrontal.experiments.names import split_condition
from prefrontal.experiments.settings import Settings
from prefrontal.shipped import shipped_folder, shipped_names

if TYPE_CHECKING:
    from prefrontal.agents.runs.folder import RunFolder  # imports torch


def find_run(path: Path) -> tuple[RunFolder, Path]:
    """Return the run of that folder or name, and where its evaluation goes.

    Raises:
        ConfigError: There is none; suggests one below it, a neighbour, or a shipped population.
    """
    from prefrontal.agents.runs.folder import RunFolder, runs_below

    path = path.expanduser()
    if (path / "config.toml").is_file():
        return RunFolder.read(path), path / "evaluation"
    if not path.is_dir() and (shipped := shipped_folder(str(path))) is not None:
        return RunFolder.read(shipped), Path("runs", "evaluation", path.name)
    if path.parent.is_dir():
        if below := runs_below(path):
            raise ConfigError(f"there is no run in {quoted(path)}{below}")
        names = [p.parent.name for p in path.parent.glob("*/config.toml")]
        names += shipped_names() if path.parent == Path() else []
        hint = did_you_mean(path.name, names)
        hint = hint if "mean" in hint else ""
        raise ConfigError(f"there is no run in {quoted(path)}{hint}")
    return RunFolder.read(path), path


def require_own(experiment: Experiment, settings: Mapping[str, Settings], run: Path) -> None:
    """Refuse a run whose conditions are not of the experiment that it names.

    Raises:
        ConfigError: Names the first of them.
    """
    if experiment.name == own_environment.EXPERIMENT.name:
        return
    for name, one in settings.items():
        known = experiment.conditions.get(split_condition(name)[0])
        if known is None or known.environment.id != one.environment.id:
            raise ConfigError(
                f"{run / 'config.toml'}: {name} on {one.environment.id} is no condition of "
                f"{experiment.name}; restore the configuration"
            )


def require_room(name: str, agents: Any, episodes: int, recorded: int) -> None:
    """Check that agents can play in their environment, and that a record fits in memory.

    Raises:
        ConfigError: They cannot, or it does not; says how much memory it would take.
    """
    from prefrontal.agents.common.memory import require_memory
    from prefrontal.agents.rollout.environments import probe

    facts = probe(agents.environment.stage(-1), discrete=agents.discrete)
    sizes = agents.meta()
    now = {
        "input_size": facts.input_size,
        "num_actions": facts.actions.outputs,
        "action_size": facts.action_size,
    }
    for size, given in now.items():
        if sizes.get(size, given) != given:
            raise ConfigError(
                f"the agents of {name} have {size} {sizes[size]}, and their environment {given}"
            )
    steps = len(agents) * facts.longest
    for what, count, numbers in (
        ("episodes", episodes, 8 + facts.actions.outputs),
        ("record", recorded, 2 * (8 + facts.input_size)),
    ):
        require_memory(
            4.0 * count * steps * numbers,
            f"a record of {count:,} episodes of {len(agents)} members of {name}",
            f"take fewer --{what}",
        )
