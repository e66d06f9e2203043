"""Trained agents as users meet them: `load` a population, index it, `predict`, `learn`, `save`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.a2c.learner import A2C, A2CConfig
from prefrontal.agents.base import Job, Trained, learn_until
from prefrontal.agents.common.errors import CheckpointError, did_you_mean
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.rollout.environments import (
    import_environment,
    make_envs,
    make_stages,
    reward_row,
)
from prefrontal.agents.rollout.predicting import observed, resumed
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from prefrontal.agents.runs.folder import runs_below

__all__ = ["KINDS", "Agent", "Population", "load", "load_trained"]

KIND = "recurrent-a2c"

#: What a checkpoint may hold, by its `kind`: a class with ``from_checkpoint(arrays, meta, where)``.
KINDS = {
    KIND: "prefrontal.agents.population:Population",
    "evolved": "prefrontal.agents.evolution.population:Evolved",
    "hinton-nowlan": "prefrontal.agents.evolution.hinton_nowlan:Lineages",
    "recurrent-td3": "prefrontal.agents.td3.population:ContinuousPopulation",
}


@dataclass(frozen=True)
class Description:
    """What `load` needs besides the weights; see `Population`."""

    network: NetworkConfig
    environment: EnvironmentSpec
    input_size: int
    num_actions: int
    seed: int
    members: tuple[int, ...]


class Population:
    """P independent agents of one shape.

    Args:
        weights: Parameters ``[P, n]``.
        network: Shape of the networks.
        environment: What they were trained on; its ids are what `learn` makes.
        input_size: Inputs I a step.
        num_actions: Actions K.
        seed: Seed they were trained with.
        members: Identities of the members (default 0 ... P - 1).
    """

    def __init__(
        self,
        weights: Tensor,
        network: NetworkConfig,
        environment: EnvironmentSpec,
        input_size: int,
        num_actions: int,
        seed: int = 0,
        members: Sequence[int] | None = None,
    ) -> None:
        self.network, self.environment, self.seed = network, environment, seed
        self.members = list(members) if members is not None else list(range(len(weights)))
        self.model = _model(environment, input_size, num_actions, network, len(weights))
        if len(self.members) != len(weights):
            raise CheckpointError(f"{len(self.members)} members cannot have {len(weights)} weights")
        weights = self.model.upgraded(weights)
        if weights.shape != self.model.parameters.shape:
            raise CheckpointError(
                f"weights have shape {list(weights.shape)}, but this network needs {list(self.model.parameters.shape)}"
            )
        self.model.set_parameters(weights)

    @classmethod
    def create(
        cls,
        environment: EnvironmentSpec | str,
        network: NetworkConfig | None = None,
        members: int = 1,
        seed: int = 0,
    ) -> Population:
        """Agents with fresh weights for an environment (a Gymnasium id, or a specification)."""
        spec = EnvironmentSpec(environment) if isinstance(environment, str) else environment
        network = network or NetworkConfig()
        envs = make_envs(spec, range(members), 1)
        size, actions = envs.single_observation_space.shape[0], envs.num_actions
        envs.close()
        model = _model(spec, size, actions, network, members)
        model.initialise([generator(seed, member, "weights") for member in range(members)])
        return cls(model.parameters, network, spec, size, actions, seed)

    @classmethod
    def of(cls, job: Job, weights: Tensor) -> Population:
        """The agents of a job with these weights ``[P, n]``."""
        template = cls.create(job.environment, job.network).model
        size, actions = template.input_size, template.num_actions
        return cls(weights, job.network, job.environment, size, actions, job.seed)

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Agent:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} members, no number {index}")
        index %= len(self)
        return Agent(
            self.model.parameters[index : index + 1],
            self.network,
            self.environment,
            self.model.input_size,
            self.model.num_actions,
            self.seed,
            [self.members[index]],
        )

    def __iter__(self) -> Iterator[Agent]:
        return (self[index] for index in range(len(self)))

    @classmethod
    def from_checkpoint(
        cls, arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> Population:
        """The agents in what a checkpoint holds; see `load_trained`."""
        names = [field.name for field in fields(Description)]
        known = {name: meta[name] for name in names if name in meta}
        description = from_plain(Description, known, f"{folder / 'checkpoint'}")
        import_environment(description.environment, folder)
        return cls(arrays["weights"], **{name: getattr(description, name) for name in names})

    def learn(
        self, total_steps: int, config: A2CConfig | None = None, num_envs: int = 16
    ) -> dict[str, np.ndarray]:
        """Trains all members on their environment with recurrent A2C (a fresh optimiser; schedules span `total_steps`).

        With one thread (``torch.set_num_threads(1)``, also the fastest) fresh agents learn what `train.py` gives, bit by bit.

        Args:
            total_steps: Environment steps per member.
            config: Hyper-parameters.
            num_envs: Episodes per member and update.

        Returns:
            Metrics by name, ``[updates, P]``.

        Raises:
            ValueError: If `total_steps` is below 1.
        """
        config = config or A2CConfig()
        envs = make_stages(
            self.environment,
            self.members,
            num_envs,
            privileged=config.critic.baseline == "privileged",
        )
        learner = A2C(envs, self.network, config, self.members, num_envs, total_steps, self.seed)
        learner.model.set_parameters(self.model.parameters)
        metrics = learn_until(learner, total_steps)
        self.model.set_parameters(learner.model.parameters)
        return metrics

    def meta(self) -> dict[str, Any]:
        """What `load` needs besides the weights."""
        size, actions = self.model.input_size, self.model.num_actions
        description = Description(
            self.network, self.environment, size, actions, self.seed, tuple(self.members)
        )
        return {"kind": KIND, **to_plain(description)}

    def save(self, path: Path | str) -> None:
        """Writes the weights (safetensors) and their description (JSON) to ``path/checkpoint``; see `load`."""
        save_checkpoint(Path(path) / "checkpoint", {"weights": self.model.parameters}, self.meta())


def _model(
    spec: EnvironmentSpec, input_size: int, num_actions: int, network: NetworkConfig, members: int
) -> ActorCritic:
    """The actor-critics, without weights."""
    row = (
        reward_row(spec.inputs, input_size, num_actions) if network.actor_reward == "rpe" else None
    )
    return ActorCritic(input_size, num_actions, network, members, reward_row=row)


class Agent(Population):
    """One member. `predict` makes it usable wherever a Stable-Baselines3 model is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tapes: list[Tape] = []
        self.set_random_seed(0)

    def set_random_seed(self, seed: int) -> None:
        """Restarts the random numbers that actions are drawn with."""
        self._generator = generator(seed, self.members[0], "evaluation")

    def predict(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Actions for one observation or a batch, and the recurrent state to pass back with the next one.

        Args:
            observation: ``[I]`` or ``[n, I]``, with the inputs the agent was trained with.
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts get the initial state.
            deterministic: Whether to take the most probable action. The default draws from the policy: the agent's own
                randomness is part of how it explores, and that is where its second learning algorithm lives.

        Returns:
            Actions (a 0-d array for one observation, else ``[n]``) and the state, arrays ``[n, H]``.

        Raises:
            ValueError: If the observation or the state has the wrong size or is not finite.
        """
        rows = observed(observation, self.model.input_size, self.environment)
        n = len(rows)
        if not self._tapes or self._tapes[0].batch != n:
            self._tapes = self.model.tapes(1, n)
        tapes = self._tapes
        self.model.begin(tapes)
        if state is not None:
            self._resume(tapes, state, episode_start)
        for tape in tapes:
            tape.x_t[0].copy_(torch.from_numpy(rows.T.copy()))
        logits = self.model.step(tapes, 0)[0]  # [K, n]
        if not deterministic:
            uniform = torch.rand(logits.shape, generator=self._generator).clamp_(min=1e-20)
            logits = logits - (-uniform.log()).log()
        action = logits.argmax(0).numpy()
        after = [part for state in self.model.state(tapes, 1) for part in state]
        if self.model.reward_row is not None:  # the next prediction error is relative to this value
            after.append(tapes[1].heads_t[0].transpose(1, 2))
        return (action[0] if np.ndim(observation) == 1 else action), tuple(
            s[0].numpy().copy() for s in after
        )

    def value(self) -> np.ndarray:
        """Values ``[n]`` of the observations of the last `predict` (the dopamine system's prediction)."""
        if not self._tapes:
            raise ValueError("value is that of the observations of predict: call predict first")
        return self.model.heads(self._tapes)[1][0, 0].numpy().copy()

    def _resume(
        self, tapes: list[Any], state: tuple[np.ndarray, ...], episode_start: np.ndarray | None
    ) -> None:
        """Writes `state` on the tapes, except in rows where an episode starts."""
        before = self.model.state(tapes, 0)
        initial = [part[0] for parts in before for part in parts]
        if self.model.reward_row is not None:
            initial.append(torch.zeros(tapes[0].batch, 1))
        given = iter(resumed(state, episode_start, initial, tapes[0].batch))
        self.model.begin(
            tapes, [tuple(next(given).unsqueeze(0) for _ in parts) for parts in before]
        )
        if self.model.reward_row is not None:
            tapes[1].before.copy_(next(given).T)


def load(path: Path | str, condition: str | None = None) -> Any:
    """Loads the agents of a run folder (`train.py`), of a shipped population, or of `Population.save`.

    Args:
        path: The folder.
        condition: Which condition; needed if the run has several.

    Returns:
        A `Population`, or what else the algorithm trains.

    Raises:
        CheckpointError: If there are no agents, or they cannot be read; never unpickles anything.
    """
    folder = Path(path)
    if condition is not None:
        folder = folder / condition
    if not has_checkpoint(folder / "checkpoint"):
        # A run has a configuration; a folder without one may hold runs.
        if not (folder / "config.toml").is_file() and (below := runs_below(folder)):
            raise CheckpointError(f"there are no trained agents in {folder}{below}")
        conditions = sorted(p.parent.name for p in folder.glob("*/checkpoint") if has_checkpoint(p))
        if len(conditions) == 1 and condition is None:
            return load(folder, conditions[0])
        if conditions and condition is None:
            raise CheckpointError(
                f"{folder} has several conditions; name one of {', '.join(conditions)}"
            )
        hint = (
            did_you_mean(folder.name, [p.name for p in folder.parent.glob("*") if p != folder])
            if folder.parent.is_dir()
            else ""
        )
        raise CheckpointError(
            f"there are no trained agents in {folder}{hint if 'mean' in hint else ''}"
        )
    return load_trained(*load_checkpoint(folder / "checkpoint"), folder)


def load_trained(arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path) -> Trained:
    """The agents in what a checkpoint holds.

    Args:
        arrays: Its tensors, `weights` among them.
        meta: Its description, `kind` among it.
        folder: Where it lies, for messages.

    Raises:
        CheckpointError: If it holds no agents, or such as this version does not know.
    """
    place = KINDS.get(str(meta.get("kind")))
    if place is None or "weights" not in arrays:
        raise CheckpointError(
            f"the checkpoint in {folder} does not hold agents of {', '.join(KINDS)}"
        )
    module, _, name = place.partition(":")
    if not bool(arrays["weights"].isfinite().all()):
        raise CheckpointError(f"the weights in {folder} are not all numbers: training went wrong")
    trained: Trained = getattr(importlib.import_module(module), name).from_checkpoint(
        arrays, meta, folder
    )
    return trained
