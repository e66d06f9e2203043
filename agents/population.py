"""Trained actor-critics as users meet them: index a population, `predict`, `learn`, `save`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.heads import recorded
from prefrontal.agents.a2c.learner import make_learner
from prefrontal.agents.base import Algorithm, Job, Record, RecurrentLearner, learn_until
from prefrontal.agents.common.errors import CheckpointError, ConfigError, require_count
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.common.returns import next_values, rpe
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import Part
from prefrontal.agents.networks.sizes import stored_sizes
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.rollout.environments import probe, register_ids, rows_of
from prefrontal.agents.rollout.members import Members
from prefrontal.agents.rollout.predicting import observed, resumed
from prefrontal.agents.rollout.rollout import Rollout, Stimulation, Trajectory
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.checkpoint import Shapes, save_checkpoint
from prefrontal.agents.runs.described import Described, require_shape
from prefrontal.checking import option

KIND = "recurrent-a2c"

P = TypeVar("P", bound="Population")


@dataclass(frozen=True)
class Description(Described):
    """What loading needs besides the weights; see `Population`."""

    network: NetworkConfig
    environment: EnvironmentSpec
    input_size: int = option(dataclasses.MISSING, "Inputs a step.", least=1)
    num_actions: int = option(dataclasses.MISSING, "Actions.", least=1)
    seed: int = option(dataclasses.MISSING, "Seed of the run.", least=0)
    members: tuple[int, ...] = option(dataclasses.MISSING, "Identities.", least=0)
    parts: tuple[Part, ...] = option((), "What observations are made of.")


def make_population(job: Job, weights: Tensor) -> Population:
    """Make the agents of a job with these weights ``[P, n]``."""
    return Population.of(job, weights)


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    facts, members = job.facts, tuple(range(job.members))
    sizes = facts.input_size, facts.num_actions
    told = Description(job.network, job.environment, *sizes, job.seed, members, facts.parts)
    return {"kind": KIND, **to_plain(told)}


class Population(Members):
    """P independent agents of one shape.

    Args:
        weights: Parameters ``[P, n]``; None leaves them at zero.
        network: Shape of the networks.
        environment: What they were trained on; its ids are what `learn` makes.
        input_size: Inputs I a step.
        num_actions: Actions K.
        seed: Seed they were trained with.
        members: Identities of the members (default 0 ... P - 1).
        parts: What observations are made of, see `Part`.

    Raises:
        CheckpointError: Weights, members and network do not fit together.
    """

    KIND: ClassVar[str] = KIND
    greedy: ClassVar[bool] = False  # whether they take the best action where nothing else is asked
    discrete = True

    def __init__(
        self,
        weights: Tensor | None,
        network: NetworkConfig,
        environment: EnvironmentSpec,
        input_size: int,
        num_actions: int,
        seed: int = 0,
        members: Sequence[int] | None = None,
        parts: Sequence[Part] = (),
    ) -> None:
        self.network, self.environment, self.seed = network, environment, seed
        if members is None:
            members = range(0 if weights is None else len(weights))
        self.members = list(members)
        rows = rows_of(network, environment.inputs, input_size, num_actions)
        size = len(self.members)
        shape = input_size, num_actions, network, size
        self.model = ActorCritic(*shape, rows=rows, parts=parts)
        if weights is None:
            return
        if len(self.members) != len(weights):
            raise CheckpointError(f"{len(self.members)} members cannot have {len(weights)} weights")
        weights, needed = self.model.upgraded(weights), self.model.parameters.shape
        if weights.shape != needed:
            raise CheckpointError(
                f"weights have shape {list(weights.shape)}, but this network needs {list(needed)}"
            )
        self.model.set_parameters(weights)

    @classmethod
    def create(
        cls: type[P],
        environment: EnvironmentSpec | str,
        network: NetworkConfig | None = None,
        members: int = 1,
        seed: int = 0,
    ) -> P:
        """Make agents with initial weights for an environment (an id, or a specification)."""
        require_count("members", members)
        spec = EnvironmentSpec(environment) if isinstance(environment, str) else environment
        facts, network = probe(spec), network or NetworkConfig()
        sizes = facts.input_size, facts.num_actions
        made = cls(None, network, spec, *sizes, seed, range(members), facts.parts)
        streams = [generator(seed, member, "weights") for member in range(members)]
        made.model.initialise(streams)
        return made

    @classmethod
    def of(cls: type[P], job: Job, weights: Tensor) -> P:
        """Make the agents of a job with these weights ``[P, n]``."""
        sizes, parts = (job.facts.input_size, job.facts.num_actions), job.facts.parts
        return cls(weights, job.network, job.environment, *sizes, job.seed, parts=parts)

    @classmethod
    def from_checkpoint(
        cls: type[P], arrays: dict[str, Tensor], meta: dict[str, Any], folder: Path
    ) -> P:
        """Make the agents in what a checkpoint holds; see `prefrontal.agents.registry`."""
        told = Description.of(meta, folder)
        register_ids(told.environment.id)
        return cls(arrays["weights"], **vars(told))

    @classmethod
    def require_fit(cls, shapes: Shapes, meta: Mapping[str, Any], folder: Path) -> None:
        """Check that weights of these shapes are those of the agents that `meta` describes.

        Raises:
            CheckpointError: They are not.
            ConfigError: The description is none.
        """
        told = Description.of(meta, folder)
        sizes = stored_sizes(told.input_size, told.num_actions, told.network, told.parts)
        require_shape(shapes, "weights", [(len(told.members), size) for size in sizes], folder)

    def part(self, indices: Sequence[int], kind: Any = None) -> Any:
        """See `Members.part`; of another class, if one is given."""
        return (kind or type(self))(
            self.model.parameters[list(indices)],
            self.network,
            self.environment,
            self.model.input_size,
            self.model.num_actions,
            self.seed,
            [self.members[index] for index in indices],
            self.model.parts,
        )

    def member(self, index: int) -> Any:
        """See `Members.member`."""
        return self.part([index], Agent)

    # LEARN

    def learn(
        self, total_steps: int, config: Algorithm | None = None, num_envs: int = 16
    ) -> dict[str, np.ndarray]:
        """Train all members on with recurrent A2C (a new optimiser; schedules span the call).

        With one thread (``torch.set_num_threads(1)``, also the fastest) new agents learn what
        `prefrontal train` gives.

        Args:
            total_steps: Environment steps per member.
            config: Settings; None for the defaults.
            num_envs: Episodes per member and update.

        Returns:
            Metrics by name, ``[updates, P]``.

        Raises:
            ValueError: `total_steps` is below 1.
        """
        return self._learn(make_learner, A2CConfig(), config, total_steps, num_envs)

    def _learn(
        self,
        make: Callable[[Job, Sequence[int]], RecurrentLearner],
        default: Algorithm,
        config: Algorithm | None,
        total_steps: int,
        num_envs: int,
    ) -> dict[str, np.ndarray]:
        config = config or default
        if (kind := config.kind) != default.kind:
            raise ConfigError(f"these agents learn by settings of {default.kind}, not {kind}")
        spec, network = self.environment, self.network
        job = Job(spec, network, config, len(self), num_envs, total_steps, self.seed)
        learner = make(job, self.members)
        learner.begin_with(self.model.parameters)
        metrics = learn_until(learner, total_steps)
        self.model.set_parameters(learner.model.parameters)
        return metrics

    # PLAY

    @property
    def input_size(self) -> int:  # type: ignore[override]
        """Numbers I of an observation, with its inputs."""
        return self.model.input_size

    def noise(self, steps: int, batch: int, generator: torch.Generator) -> Tensor:
        """Return Gumbel noise ``[T, K, B]``: ``argmax(logits + noise)`` samples the policy."""
        uniform = torch.rand(steps, self.model.num_actions, batch, generator=generator)
        return -(-uniform.clamp_(min=1e-20).log()).log()

    def rollout(self, envs: Any, generators: list[torch.Generator]) -> Rollout:
        """Return how these agents play in an environment."""
        return Rollout(envs, self.model, envs.num_envs // len(self), generators, facts=True)

    def judged(self, logits: Tensor, values: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Return probabilities of actions ``[T, P, K, B]`` and values of states ``[T, P, B]``."""
        return logits.softmax(2), values

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
    ) -> list[Record]:
        """Play and record batches of episodes; see `prefrontal.agents.base.Trained.record`.

        Returns:
            Of each batch ``action``, ``reward``, ``value`` and ``rpe`` ``[P, B, T]``, ``policy
            [P, B, T, K]``, facts, ``task.NAME [P, B, ...]``, and what heads say, see `recorded`.
        """
        if forget:
            raise ConfigError("only agents with continuous actions can lose their memory")
        self.check_env(envs)
        greedy = self.greedy if deterministic is None else deterministic
        streams = [generator(seed, member, "evaluation") for member in self.members]
        rollout = self.rollout(envs, streams)
        played = (rollout.collect(greedy, stimulation) for _ in range(batches))
        return [self._recorded(one, discount, hidden, greedy) for one in played]

    def _recorded(
        self, trajectory: Trajectory, discount: float, hidden: bool, greedy: bool
    ) -> Record:
        steps, tape = trajectory.steps, trajectory.tapes[0]
        logits, values, said = self.model.read(trajectory.tapes)
        policy, values = self.judged(logits, values, greedy)
        # δ_t = r_t + γ v_t - v_{t-1}; a cut episode has the value at the cut, others end with 0
        gamma = torch.full((len(self),), discount, dtype=values.dtype)
        rewards, discount_t, before = trajectory.to_the_end(values, gamma)
        tensors = {
            "action": trajectory.actions.to(torch.int16),
            "reward": trajectory.rewards,
            "value": before,
            "rpe": rpe(rewards, discount_t, before, next_values(before)),
            "policy": policy[:steps].transpose(2, 3),
        }
        tensors |= recorded(self.network.heads, said, trajectory, gamma)
        if trajectory.mask is not None:
            tensors["mask"] = trajectory.mask
        if clash := {*tensors, "hidden", "observation", "regret"} & set(trajectory.facts):
            raise ConfigError(f"a record has its own {', '.join(clash)}: name the fact otherwise")
        tensors |= trajectory.facts
        if {"optimal_reward", "expected_reward"} <= set(tensors):
            tensors["regret"] = tensors["optimal_reward"] - tensors["expected_reward"]
        if hidden:
            tensors["hidden"] = tape.hidden()[:steps].transpose(2, 3)
            tensors["observation"] = self.model.given(tape)[:steps].transpose(2, 3)
        record = {name: x.detach().movedim(0, 2) for name, x in tensors.items()}
        record |= {f"task.{name}": x for name, x in trajectory.task.items()}
        return {name: x.cpu().contiguous().clone().numpy() for name, x in record.items()}

    # SAVE

    def meta(self) -> dict[str, Any]:
        """Return what loading needs besides the weights."""
        sizes = self.model.input_size, self.model.num_actions
        members, parts = tuple(self.members), self.model.parts
        told = Description(self.network, self.environment, *sizes, self.seed, members, parts)
        return {"kind": self.KIND, **to_plain(told)}

    def save(self, path: Path | str) -> None:
        """Write weights (safetensors) and their description (JSON) to ``path/checkpoint``."""
        save_checkpoint(Path(path) / "checkpoint", {"weights": self.model.parameters}, self.meta())


class Agent(Population):
    """One member. `predict` makes it usable wherever a Stable-Baselines3 model is."""

    behind = {"_tapes": []}  # noqa: RUF012 (tapes know addresses; `predict` makes new ones)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tapes: list[Tape] = []
        self.set_random_seed(0)

    def set_random_seed(self, seed: int) -> None:
        """Restart the random numbers that actions are drawn with."""
        self._generator = generator(seed, self.members[0], "evaluation")

    def predict(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return actions for one observation or a batch, and the state for the next call.

        Args:
            observation: ``[I]`` or ``[n, I]``, with the inputs the agent was trained with (only
                their number can be checked here; see `check_env`).
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts get the initial state.
            deterministic: Whether to take the best action. The default is how these agents act: an
                actor-critic draws from its policy (its randomness is part of how it explores).

        Returns:
            Actions (a 0-d array for one observation, else ``[n]``) and the state, arrays
            ``[n, ...]``.

        Raises:
            ValueError: The observation or the state has the wrong size or is not finite.
        """
        tapes, logits = self._step(observation, state, episode_start)
        if not (self.greedy if deterministic is None else deterministic):
            logits = logits + self.noise(1, tapes[0].batch, self._generator)[0]
        action = logits.argmax(0).numpy()
        after = [part for parts in self.model.state(tapes, 1) for part in parts]
        # The next prediction error is relative to this value.
        if self.model.rows.reward is not None:
            after.append(tapes[1].heads_t[0][:, :1].transpose(1, 2))
        kept = tuple(part[0].numpy().copy() for part in after)
        return (action[0] if np.ndim(observation) == 1 else action), kept

    def value(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return values ``[n]`` of observations (the dopamine system's prediction).

        Arguments and errors as of `predict`; the state is that before the observation.
        """
        tapes, _ = self._step(observation, state, episode_start)
        values: Tensor = self.judged(*self.model.heads(tapes), True)[1]
        return values[0, 0].numpy().copy()

    def _step(
        self,
        observation: np.ndarray,
        state: tuple[np.ndarray, ...] | None,
        episode_start: np.ndarray | None,
    ) -> tuple[list[Tape], Tensor]:
        """Take one step on tapes; return them, and the logits ``[K, n]``."""
        rows = observed(observation, self.model.input_size, self.environment)
        if not self._tapes or self._tapes[0].batch != len(rows):
            self._tapes = self.model.tapes(1, len(rows))
        tapes = self._tapes
        self.model.begin(tapes)
        if state is not None:
            self._resume(tapes, state, episode_start)
        self.model.show(tapes, 0, torch.from_numpy(rows.T.copy()).unsqueeze(0))
        return tapes, self.model.step(tapes, 0)[0]

    def _resume(
        self, tapes: list[Tape], state: tuple[np.ndarray, ...], episode_start: np.ndarray | None
    ) -> None:
        """Write `state` on the tapes, except in rows where an episode starts."""
        before = self.model.state(tapes, 0)
        initial = [part[0] for parts in before for part in parts]
        if self.model.rows.reward is not None:
            initial.append(torch.zeros(tapes[0].batch, 1))
        given = iter(resumed(state, episode_start, initial, tapes[0].batch))
        self.model.begin(
            tapes, [tuple(next(given).unsqueeze(0) for _ in parts) for parts in before]
        )
        if self.model.rows.reward is not None:
            tapes[1].before.copy_(next(given).T)
