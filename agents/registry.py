"""What can be trained and loaded, by name: one table joins settings, learners and trained agents.

A new learner is a folder and a row of `ALGORITHMS` (and of `TRAINED`, if its agents are of a new
kind). Modules are imported when they are needed; importing this one imports no PyTorch.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefrontal.agents.common.errors import CheckpointError, ConfigError, did_you_mean, quoted
from prefrontal.agents.common.files import read_toml, require_plain
from prefrontal.agents.common.memory import require_time
from prefrontal.agents.networks.config import NetworkConfig

if TYPE_CHECKING:  # these import torch
    from torch import Tensor

    from prefrontal.agents.base import Job, Learner, Trained
    from prefrontal.agents.runs.checkpoint import Shapes

_ROOT = "prefrontal.agents"


@dataclass(frozen=True)
class Entry:
    """Where the parts of an algorithm are, below `prefrontal.agents`.

    Attributes:
        config: Settings of the algorithm, ``module:class``.
        network: Settings of its networks, ``module:class``.
        learner: Module with ``make_learner(job, members)`` and ``check(job)``.
        trained: Kind of the agents that it trains, a key of `TRAINED`.
        population: Module with ``make_population(job, weights)`` and ``meta(job)``.
        updates: Module with ``updates(job)``.
        spreads_itself: Whether one learner spreads its own work over the worker processes.
        every_update: Whether every update is reported and saved.
        every_report: Whether every update is reported, and saved as often as others are.
        heads: Whether it trains heads beside policy and value.
        name: What people call it, where that is not its `kind`.
    """

    config: str
    network: str
    learner: str
    population: str
    trained: str
    updates: str = "base"
    spreads_itself: bool = False
    every_update: bool = False
    every_report: bool = False
    heads: bool = False
    name: str = ""


_ACTOR_CRITIC = "networks.config:NetworkConfig"

#: Algorithms by the `kind` of their settings.
ALGORITHMS = {
    "a2c": Entry(
        "a2c.config:A2CConfig",
        _ACTOR_CRITIC,
        "a2c.learner",
        "population",
        "recurrent-a2c",
        heads=True,
    ),
    "q": Entry(
        "r2d2.config:R2D2Config",
        _ACTOR_CRITIC,
        "r2d2.learner",
        "r2d2.population",
        "recurrent-q",
        name="r2d2",
    ),
    "course-replay": Entry(
        "a2c.config:CourseReplayConfig", _ACTOR_CRITIC, "a2c.course", "population", "recurrent-a2c"
    ),
    "decision-pretrained": Entry(
        "supervised.config:DecisionPretrainedConfig",
        _ACTOR_CRITIC,
        "supervised.learner",
        "population",
        "recurrent-a2c",
    ),
    "td3": Entry(
        "td3.config:TD3Config",
        "td3.config:TD3NetworkConfig",
        "td3.learner",
        "td3.population",
        "recurrent-td3",
    ),
    "hebbian": Entry(
        "hebbian.config:HebbianConfig",
        "hebbian.config:RateNetworkConfig",
        "hebbian.learner",
        "hebbian.population",
        "rate-network",
        every_report=True,
    ),
    "meta-gradient": Entry(
        "gradient_policies.config:MetaGradientConfig",
        "gradient_policies.config:LogitsConfig",
        "gradient_policies.learner",
        "gradient_policies.population",
        "gradient-policy",
    ),
    "evolution": Entry(
        "evolution.config:EvolutionConfig",
        _ACTOR_CRITIC,
        "evolution.learner",
        "evolution.population",
        "evolved",
        updates="evolution.learner",
        spreads_itself=True,
        every_update=True,
    ),
    "published-evolution": Entry(
        "evolution.config:PublishedConfig",
        _ACTOR_CRITIC,
        "evolution.published",
        "evolution.population",
        "evolved",
        updates="evolution.learner",
        spreads_itself=True,
    ),
    "hinton-nowlan": Entry(
        "evolution.config:HintonNowlanConfig",
        "evolution.config:NoNetworkConfig",
        "evolution.hinton_nowlan",
        "evolution.hinton_nowlan",
        "hinton-nowlan",
        updates="evolution.hinton_nowlan",
    ),
}

#: Trained agents by the `kind` of their checkpoint: a class with
#: ``from_checkpoint(arrays, meta, folder)``.
TRAINED = {
    "recurrent-a2c": "population:Population",
    "recurrent-q": "r2d2.population:QPopulation",
    "evolved": "evolution.population:Evolved",
    "hinton-nowlan": "evolution.hinton_nowlan:Lineages",
    "recurrent-td3": "td3.population:ContinuousPopulation",
    "rate-network": "hebbian.population:RatePopulation",
    "gradient-policy": "gradient_policies.population:GradientPopulation",
}


def _get(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{_ROOT}.{module}"), name)


def entry_of(algorithm: Any) -> Entry:
    """Return where the parts of an algorithm are, from its settings."""
    return ALGORITHMS[algorithm.kind]


def make_learner(job: Job, members: Sequence[int]) -> Learner:
    """Make a learner for some members of a job."""
    learner: Learner = _get(entry_of(job.algorithm).learner, "make_learner")(job, members)
    return learner


def make_population(job: Job, weights: Tensor) -> Trained:
    """Make the agents of a job with these weights ``[P, n]``."""
    made: Trained = _get(entry_of(job.algorithm).population, "make_population")(job, weights)
    return made


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    told: dict[str, Any] = _get(entry_of(job.algorithm).population, "meta")(job)
    return told


def updates(job: Job) -> float:
    """Return how many updates a run makes, about: it decides when a run reports, nothing else."""
    return float(_get(entry_of(job.algorithm).updates, "updates")(job))


def check(job: Job) -> str:
    """Check that a job can be trained, without building a learner.

    Returns:
        What there is to say of it (the memory that replay takes); empty if nothing.

    Raises:
        ConfigError: Settings do not fit each other, the environment or the memory.
    """
    entry = entry_of(job.algorithm)
    network = _get(*entry.network.split(":"))
    if not isinstance(job.network, network):
        raise ConfigError(
            f"the algorithm {job.algorithm.kind} needs a network of the kind {network.kind}, not "
            f"{job.network.kind}"
        )
    if isinstance(job.network, NetworkConfig) and job.network.heads and not entry.heads:
        trains = ", ".join(name for name, one in ALGORITHMS.items() if one.heads)
        raise ConfigError(
            f"the algorithm {entry.name or job.algorithm.kind} trains no heads beside its own; "
            f"{trains} does"
        )
    said: str = _get(entry.learner, "check")(job)
    require_time(float(job.members) * job.total_steps, "training", "take fewer --total-steps")
    return said


def load(
    path: Path | str,
    condition: str | None = None,
    core: str | None = None,
    environment: str | None = None,
) -> Any:
    """Load the agents of a run folder, a shipped population, or what `Population.save` wrote.

    Args:
        path: The folder.
        condition: Which condition; needed if the run has several.
        core: Name of the user's core that the networks have, see `with_code`.
        environment: Id of the user's environment, see `with_code`.

    Returns:
        A `Population`, or what else the algorithm trains.

    Raises:
        CheckpointError: There are no agents, or they cannot be read; never unpickles anything.
        ConfigError: The agents need code of the user's that is not named.
    """
    from prefrontal.agents.runs.checkpoint import has_checkpoint
    from prefrontal.agents.runs.folder import runs_below

    folder = Path(path).expanduser()
    folder = folder if condition is None else folder / condition
    if has_checkpoint(folder / "checkpoint"):
        arrays, meta = read_agents(folder, core, environment)
        return load_trained(arrays, meta, folder)
    nothing = f"there are no trained agents in {quoted(folder)}"
    # A run has a configuration; a folder without one may hold runs.
    if not (folder / "config.toml").is_file() and (below := runs_below(folder)):
        raise CheckpointError(f"{nothing}{below}")
    conditions = sorted(p.parent.name for p in folder.glob("*/checkpoint") if has_checkpoint(p))
    if len(conditions) == 1 and condition is None:
        return load(folder, conditions[0], core, environment)
    if conditions and condition is None:
        raise CheckpointError(
            f"{quoted(folder)} has several conditions; name one of {', '.join(conditions)}"
        )
    beside = [p.name for p in folder.parent.glob("*") if p != folder]
    hint = did_you_mean(folder.name, beside)
    raise CheckpointError(f"{nothing}{hint if 'mean' in hint else ''}")


def with_code(
    plain: Mapping[str, Any], core: str | None, environment: str | None
) -> dict[str, Any]:
    """Return settings, or the description of agents, with the user's code that they need.

    A folder says by name alone what core or environment of the user's it was trained with: nothing
    that it says is imported. The caller has imported and registered what is named here.

    Args:
        plain: Plain values with `network` and `environment`, from a folder.
        core: Name of a registered core, in place of one that is not of the package.
        environment: Id of a registered environment, in place of one of the user's.

    Raises:
        ConfigError: The core in the folder is one of the package or of another class, or the
            environment another one.
    """
    changed = dict(plain)
    for table, key, given in (("network", "core", core), ("environment", "id", environment)):
        part = changed.get(table)
        if given is None or not isinstance(part, Mapping) or part.get(key) == given:
            continue
        stored = str(part.get(key, NetworkConfig.core if key == "core" else ""))
        theirs = ":" in stored if key == "core" else ":" in stored.removeprefix("envs:")
        if key == "core" and theirs and stored.rpartition(":")[2] != given.rpartition(":")[2]:
            raise ConfigError(f"the agents were trained with the core {stored}, not {given}")
        if not theirs:
            raise ConfigError(f"the agents have the {table} {key} {stored!r}, not {given!r}")
        changed[table] = {**part, key: given}
    return changed


def read_agents(
    folder: Path, core: str | None = None, environment: str | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what the checkpoint of a folder holds, for `load_trained`.

    Args:
        folder: The folder that has the checkpoint.
        core: Name of the user's core, see `with_code`.
        environment: Id of the user's environment, likewise.

    Raises:
        CheckpointError: It cannot be read, or its tensors are not those that its description asks
            for; no tensor is made before that is known.
        ConfigError: The description is none, or needs code of the user's that is not named.
    """
    from prefrontal.agents.runs.checkpoint import load_checkpoint

    def check(shapes: Shapes, meta: dict[str, Any]) -> None:
        require_fit(shapes, with_code(meta, core, environment), folder)

    arrays, meta = load_checkpoint(folder / "checkpoint", check)
    return arrays, with_code(meta, core, environment)


def require_fit(shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
    """Check that the tensors of a checkpoint are those that its description asks for.

    Args:
        shapes: Types and shapes of the tensors by name.
        meta: The description.
        folder: Where they lie.

    Raises:
        CheckpointError: They are not.
        ConfigError: The description is none.
    """
    from prefrontal.agents.runs.described import require_shape

    require_plain(meta, str(folder / "checkpoint"))
    _class_of(meta, folder).require_fit(shapes, meta, folder)
    steps = meta.get("snapshot_steps", [])
    if not isinstance(steps, list) or not all(type(one) is int and one >= 0 for one in steps):
        raise CheckpointError(f"snapshot_steps of {folder / 'checkpoint'} must be whole numbers")
    if steps or "snapshots" in shapes:
        rows, size = shapes["weights"][1]
        require_shape(shapes, "snapshots", [(rows, len(steps), size)], folder)


def load_trained(arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path) -> Trained:
    """Make the agents in what `read_agents` returned.

    Args:
        arrays: Tensors, `weights` among them.
        meta: Their description, `kind` among it.
        folder: Where they lie.

    Raises:
        CheckpointError: There are no agents, or such as this version does not know.
    """
    if not bool(arrays["weights"].isfinite().all()):
        raise CheckpointError(f"the weights in {folder} are not all numbers: training went wrong")
    trained: Trained = _class_of(meta, folder).from_checkpoint(arrays, meta, folder)
    return trained


def _class_of(meta: Mapping[str, Any], folder: Path) -> Any:
    """Return the class of the agents that a checkpoint describes."""
    kind = str(meta.get("kind"))
    if kind == "recurrent-a2c" and _algorithm_in(folder) == "q":
        kind = "recurrent-q"  # early versions did not tell them apart in the checkpoint
    if kind not in TRAINED:
        raise CheckpointError(
            f"the checkpoint in {folder} does not hold agents of {', '.join(TRAINED)}"
        )
    return _get(*TRAINED[kind].split(":"))


def _algorithm_in(folder: Path) -> str | None:
    """Return the kind of algorithm that a run's configuration gives for a folder of it."""
    for run, condition in ((folder, "default"), (folder.parent, folder.name)):
        try:
            config = read_toml(run / "config.toml")
            return str(config["conditions"][condition]["algorithm"].get("kind"))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return None
