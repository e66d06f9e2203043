"""Jobs, learners and trained agents: a protocol for each, and what recurrent ones share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.errors import require_count
from prefrontal.agents.common.memory import require_training
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.kernels.learning import make_optimiser
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.actor_critic import write_inputs as write_inputs
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import Division
from prefrontal.agents.networks.sizes import outputs_of, parameter_counts, state_sizes
from prefrontal.agents.rollout.environments import probe, rows_in, rows_of
from prefrontal.agents.rollout.rollout import Stages, Stimulation
from prefrontal.agents.rollout.spec import EnvironmentFacts, EnvironmentSpec

Record = dict[str, np.ndarray]


class Learner(Protocol):
    """P members that learn side by side, each as it would alone (up to rounding)."""

    @property
    def steps(self) -> Tensor:
        """Environment steps made so far, ``[P]`` float64."""
        ...

    def update(self) -> dict[str, Tensor]:
        """Learn a little; return metrics ``[P]`` float64, `return` among them."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly.

        The first dimension of every tensor is the member; `weights` and `steps` are among them.
        """
        ...

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        ...

    def close(self) -> None:
        """Release environments and processes."""
        ...


class Trained(Protocol):
    """Trained agents of one shape; `prefrontal.agents.load` reads them back.

    Attributes:
        environment: What they were trained on.
        members: Identities of the members.
        discrete: Whether actions are choices.
    """

    environment: EnvironmentSpec
    members: Sequence[int]
    discrete: bool

    def __len__(self) -> int:
        """Return the number of members."""
        ...

    def meta(self) -> dict[str, Any]:
        """Return what loading needs besides the weights: JSON values, `kind` among them."""
        ...

    def save(self, path: Path | str) -> None:
        """Write ``path/checkpoint``."""
        ...

    def record(
        self,
        envs: Any,
        batches: int,
        *,
        seed: int,
        discount: float,
        deterministic: bool | None = None,
        hidden: bool = False,
        stimulation: Stimulation | None = None,
        forget: bool = False,
    ) -> Iterator[Record]:
        """Play and record batches of episodes, one after the other, with frozen weights.

        A batch is played when it is asked for, so that no more than one need be in memory.

        Args:
            envs: Vector environment of tensors with facts, rows blocked by member, seeded.
            batches: How many batches.
            seed: Seed of the random numbers that actions are drawn with.
            discount: Discount γ of the prediction errors.
            deterministic: Whether the best action is always taken; None: as these agents act.
            hidden: Whether hidden states and observations are recorded.
            stimulation: Added to the prediction errors that actors are given.
            forget: Whether the memory is wiped where a trial begins (continuous actions only).

        Returns:
            The record of each batch: arrays ``[P, B, T, ...]`` by name.

        Raises:
            ConfigError: These agents cannot be stimulated, or cannot forget.
        """
        ...


class Algorithm(Protocol):
    """Settings of a learning rule: pure data. `prefrontal.agents.registry` knows its learner."""

    kind: ClassVar[str]

    @property
    def final_discount(self) -> float:
        """Discount γ at the end of training."""
        ...


@dataclass(frozen=True)
class Job:
    """All that determines what one condition of a run learns.

    Attributes:
        environment: What to train on.
        network: Shape of the networks.
        algorithm: Settings of the learning rule.
        members: Number of independent agents P.
        num_envs: Episodes per member and update.
        total_steps: Environment steps per member.
        seed: Seed of the run.
        device: Where to compute.
        snapshots: Copies of the weights that are kept, evenly spaced over the run; the last is the
            final one.
        workers: Processes for an algorithm that spreads its own work.
        ray_address: Ray cluster for such an algorithm.
    """

    environment: EnvironmentSpec
    network: Any
    algorithm: Algorithm
    members: int
    num_envs: int
    total_steps: int
    seed: int
    device: str = "cpu"
    snapshots: int = 0
    workers: int = 1
    ray_address: str | None = None

    def __post_init__(self) -> None:
        """Check the counts, which Python callers give."""
        for name in ("members", "num_envs", "total_steps"):
            require_count(name, getattr(self, name))

    @cached_property
    def facts(self) -> EnvironmentFacts:
        """Sizes and lengths of the environment; it is made once, to be asked.

        Raises:
            ConfigError: There is no such environment, or its stages do not fit together.
        """
        return probe(self.environment, discrete=False)

    @property
    def segment(self) -> int | None:
        """Steps of every environment between updates; None: whole episodes."""
        return getattr(self.algorithm, "segment", None)


def updates(job: Job) -> float:
    """Return how many updates a run makes, about, if each plays `num_envs` episodes or segments."""
    if job.segment is not None:
        return job.total_steps / job.num_envs / job.segment
    return job.facts.updates(job.num_envs, job.total_steps)


def require_learnable(job: Job, discrete: bool = True, more: int = 0) -> None:
    """Check that the networks can be trained in this memory.

    Args:
        job: What is to be trained.
        discrete: Whether an action must be one choice.
        more: Numbers that are kept of every step of an update beside those of the networks.

    Raises:
        ConfigError: They are not, or cannot.
    """
    facts, network = job.facts, job.network
    if discrete and not facts.discrete:
        probe(job.environment)  # says so
    rows_of(network, job.environment.inputs, facts.input_size, facts.actions.width)
    sizes = facts.input_size, facts.actions.outputs, network, facts.parts
    counts, states = parameter_counts(*sizes), sum(state_sizes(*sizes))
    outputs = outputs_of(facts.actions.outputs, network)
    division = Division(facts.input_size, facts.parts, network)
    shown = division.core_inputs + division.kept
    step = shown + 4 * sum(outputs) + 8 * network.hidden_size * len(outputs) + states + more
    played = job.num_envs * (job.segment or facts.longest) * step
    require_training(job.members, sum(counts), played, job.snapshots, job.device)


def section(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the part of a state whose names begin with ``prefix.``, without it."""
    cut = len(prefix) + 1
    return {name[cut:]: value for name, value in state.items() if name.startswith(f"{prefix}.")}


def learn_until(learner: Learner, total_steps: int) -> dict[str, np.ndarray]:
    """Let a learner go on until every member has made so many environment steps, and close it.

    Returns:
        Metrics by name, ``[updates, P]``.

    Raises:
        ConfigError: `total_steps` is no whole number of at least 1.
    """
    require_count("total_steps", total_steps)
    rows: list[dict[str, Tensor]] = []
    while bool((learner.steps < total_steps).any()):
        rows.append(learner.update())
    learner.close()
    return {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]}


class RecurrentLearner:
    """P members with an `ActorCritic` each, in the stages of an environment.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows, or one for each stage.
        network: Shape of the networks.
        optimiser: `adam` or `rmsprop`.
        epsilon: Added to the root of the optimiser's second moment.
        members: Identities of the members; (seed, identity) determines what a member learns.
        batch: Episodes B per member and update.
        total_steps: Environment steps per member of the whole run, for annealing and stages.
        seed: Seed of the run.
        device: Where to compute.
        plain: See `ActorCritic`.

    Attributes:
        stages: The environments, and which of them is the present one.
        steps: Environment steps made so far, ``[P]`` float64.
    """

    def __init__(
        self,
        envs: Any,
        network: NetworkConfig,
        optimiser: Any,
        epsilon: float,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
        plain: bool = False,
    ) -> None:
        self.stages = Stages(envs if isinstance(envs, list | tuple) else [envs], total_steps)
        self.members, self.batch, self.seed = list(members), batch, seed
        facts = self.stages.facts
        self.model = ActorCritic(
            facts.input_size,
            facts.actions.outputs,
            network,
            len(self.members),
            device=device,
            rows=rows_in(self.stages.envs, network),
            plain=plain,
            parts=facts.parts,
            actions=facts.actions,
        )
        self.model.initialise(self.streams("weights"))
        make = make_optimiser if self.model.compiled else Optimiser
        self.optimiser = make(self.model.parameters, optimiser, epsilon)
        self.generators = self.streams("actions")
        for each in self.stages.envs:
            each.reset(seed=seed)
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)

    @property
    def stage(self) -> int:
        """The present stage."""
        return self.stages.index

    def streams(self, name: str) -> list[torch.Generator]:
        """Return a generator a member for one purpose."""
        return [generator(self.seed, member, name) for member in self.members]

    def close(self) -> None:
        """Close the environments."""
        self.stages.close()

    def begin_with(self, weights: Tensor) -> None:
        """Begin to learn from these weights ``[P, n]``."""
        self.model.set_parameters(weights)

    def update(self) -> dict[str, Tensor]:
        """Learn a little; return metrics ``[P]`` float64, `return` among them."""
        raise NotImplementedError

    def move(self, stage: int) -> None:
        """Make a stage the present one; what plays in its environments is made anew."""
        self.stages.move(stage)

    # EXACT STATE

    def parts(self) -> Mapping[str, Any]:
        """Return what has a state of its own (`state`, `set_state`), by name."""
        return {"optimiser": self.optimiser, "envs": self.stages}

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly; first dimension: the member."""
        state = {
            "weights": self.model.parameters,
            "steps": self.steps,
            "stage": torch.full((len(self.members),), self.stage),
            "generator.actions": generator_states(self.generators),
        }
        for name, part in self.parts().items():
            state |= {f"{name}.{key}": value for key, value in part.state().items()}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.model.set_parameters(state["weights"].to(self.model.device))
        self.steps = state["steps"].clone()
        set_generator_states(self.generators, state["generator.actions"])
        stage = int(state["stage"][0]) if "stage" in state else 0  # early versions had no stages
        if stage != self.stage:
            self.move(stage)
        for name, part in self.parts().items():
            part.set_state(section(state, name))
