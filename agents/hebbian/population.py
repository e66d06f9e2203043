"""Trained rate networks as users meet them: load, index, predict, record, save."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.base import Job, Record
from prefrontal.agents.common.errors import CheckpointError, ConfigError
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.hebbian.config import RateNetworkConfig
from prefrontal.agents.hebbian.network import Networks, biased, initial, parameters
from prefrontal.agents.rollout.environments import register_ids
from prefrontal.agents.rollout.members import Members
from prefrontal.agents.rollout.predicting import observed, resumed
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import Shapes, save_checkpoint
from prefrontal.agents.runs.described import Described, require_shape
from prefrontal.checking import option

KIND = "rate-network"


@dataclass(frozen=True)
class Description(Described):
    """What `prefrontal.agents.load` needs besides the weights; see `RatePopulation`."""

    network: RateNetworkConfig
    environment: EnvironmentSpec
    input_size: int = option(dataclasses.MISSING, "Inputs a step.", least=1)
    seed: int = option(dataclasses.MISSING, "Seed of the run.", least=0)
    members: tuple[int, ...] = option(dataclasses.MISSING, "Identities.", least=0)


def make_population(job: Job, weights: Tensor) -> RatePopulation:
    """Make the agents of a job with these weights ``[P, n]``."""
    network = cast(RateNetworkConfig, job.network)
    return RatePopulation(weights, network, job.environment, job.facts.input_size, job.seed)


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    network = cast(RateNetworkConfig, job.network)
    told = network, job.environment, job.facts.input_size, job.seed, tuple(range(job.members))
    return _meta(*told)


def _meta(network: RateNetworkConfig, *told: Any) -> dict[str, Any]:
    plain = to_plain(Description(network, *told))
    return {"kind": KIND, **plain, "network": {"kind": network.kind, **plain["network"]}}


class RatePopulation(Members):
    """P independent networks of one shape, which act by the rate of one of their units.

    Args:
        weights: Parameters ``[P, n]``, see `prefrontal.agents.hebbian.network`.
        network: Shape of the networks.
        environment: What they were trained on.
        input_size: Inputs I a step.
        seed: Seed they were trained with.
        members: Identities of the members (default 0 ... P - 1).

    Raises:
        CheckpointError: If numbers of weights and of members, or of parameters, do not fit.
    """

    discrete = False

    def __init__(
        self,
        weights: Tensor,
        network: RateNetworkConfig,
        environment: EnvironmentSpec,
        input_size: int,
        seed: int = 0,
        members: Sequence[int] | None = None,
    ) -> None:
        self.network, self.environment, self.seed = network, environment, seed
        self.input_size = input_size
        self.members = list(members) if members is not None else list(range(len(weights)))
        shape = len(self.members), parameters(network, input_size)
        if tuple(weights.shape) != shape:
            raise CheckpointError(
                f"weights have shape {list(weights.shape)}, but these networks need {list(shape)}"
            )
        self.weights = weights.detach().clone().to(torch.float32)

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> RatePopulation:
        """Return the agents that a checkpoint holds; see `prefrontal.agents.load`."""
        told = Description.of(meta, folder)
        register_ids(told.environment.id)
        return cls(arrays["weights"], **vars(told))

    @classmethod
    def require_fit(cls, shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
        """Check shapes of weights; see `Population.require_fit`."""
        told = Description.of(meta, folder)
        size = len(told.members), parameters(told.network, told.input_size)
        require_shape(shapes, "weights", [size], folder)

    def _of(self, indices: Sequence[int], kind: Any) -> Any:
        members = [self.members[index] for index in indices]
        told = self.network, self.environment, self.input_size, self.seed
        return kind(self.weights[list(indices)], *told, members)

    def part(self, indices: Sequence[int]) -> RatePopulation:
        """See `Members.part`."""
        return cast(RatePopulation, self._of(indices, RatePopulation))

    def member(self, index: int) -> RateAgent:
        """See `Members.member`."""
        return cast(RateAgent, self._of([index], RateAgent))

    def record(
        self,
        envs: Any,
        batches: int,
        *,
        seed: int,
        discount: float,
        deterministic: bool | None = None,
        hidden: bool = False,
        stimulation: Any = None,
        forget: bool = False,
    ) -> Iterator[Record]:
        """Play and record batches of episodes; see `prefrontal.agents.base.Trained.record`.

        Nothing is perturbed and nothing learned; potentials start at random, as in training.

        Returns:
            Of each batch ``action [P, B, T, 1]``, ``reward [P, B, T]``, facts of the environment,
            and ``task.NAME``; if wanted ``hidden`` (the rates of all units after each step) and
            ``observation``.
        """
        if stimulation is not None or forget:
            raise ConfigError(
                "rate networks have no prediction errors to stimulate and no trials within an "
                "episode to forget"
            )
        self.check_env(envs)
        chances = [generator(seed, member, "evaluation") for member in self.members]
        return (self._recorded(envs, chances, hidden) for _ in range(batches))

    def _recorded(self, envs: Any, chances: Sequence[torch.Generator], hidden: bool) -> Record:
        members, units, steps = len(self), self.network.units, int(envs.steps)
        rows = envs.num_envs // members
        seen, info = envs.reset()
        start = initial(self.network, rows, chances)
        networks = Networks(self.network, self.input_size, members, rows)
        columns: dict[str, list[Tensor]] = {}

        def watch(t: int, before: Tensor, action: Tensor, reward: Tensor, said: Any) -> None:
            facts = {name: value for name, value in said.items() if name != "task"}
            facts |= {"action": action, "reward": reward}
            if hidden:
                facts |= {"observation": before, "hidden": networks.rates(t + 1).flatten(0, 1)}
            for name, value in facts.items():
                columns.setdefault(name, []).append(value.clone())

        outside = [biased(torch.zeros(members, rows, units))] * steps
        networks.play(envs, seen, self._matrices(), start, outside, watch)
        tensors = {name: torch.stack(values, 1) for name, values in columns.items()}
        tensors |= {f"task.{name}": value for name, value in info["task"].items()}
        size = members, rows
        return {name: x.unflatten(0, size).numpy().copy() for name, x in tensors.items()}

    def _matrices(self) -> Tensor:
        return self.weights.view(len(self), -1, self.network.units)

    def meta(self) -> dict[str, Any]:
        """Return what `prefrontal.agents.load` needs besides the weights."""
        told = self.environment, self.input_size, self.seed, tuple(self.members)
        return _meta(self.network, *told)

    def save(self, path: Path | str) -> None:
        """Write weights (safetensors) and description (JSON) to ``path/checkpoint``."""
        save_checkpoint(Path(path) / "checkpoint", {"weights": self.weights}, self.meta())


class RateAgent(RatePopulation):
    """One member. `predict` makes it usable wherever a Stable-Baselines3 model is."""

    def predict(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return actions, and the potentials to pass back with the next observations.

        Args:
            observation: One ``[I]`` or a batch ``[n, I]``, with the inputs of training (only their
                number can be checked here; see `check_env`).
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts get the initial state, in
                which all potentials are 0 but for those of constant units.
            deterministic: Ignored: nothing is random once an episode has started.

        Returns:
            Actions (``[1]`` for one observation, else ``[n, 1]``) and the state, an array
            ``[n, N]``.

        Raises:
            ValueError: If the observation or the state has the wrong size or is not finite.
        """
        rows = torch.from_numpy(observed(observation, self.input_size, self.environment))
        x = biased(torch.zeros(len(rows), self.network.units))
        if state is not None:
            (x,) = resumed(state, episode_start, [x], len(rows))
        drive = biased(torch.cat([x.tanh(), rows], 1) @ self._matrices()[0])
        x = torch.lerp(x, drive, 1 / self.network.time_constant)
        action = x[:, :1].tanh().numpy()
        return (action[0] if np.ndim(observation) == 1 else action), (x.numpy(),)
