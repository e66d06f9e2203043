"""Trained actor-critics as users meet them: index a population, `predict`, `learn`, `save`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.description import KIND, Description, special
from prefrontal.agents.a2c.description import meta as meta
from prefrontal.agents.a2c.learner import make_learner
from prefrontal.agents.a2c.recording import record_of
from prefrontal.agents.base import Algorithm, Job, Record, RecurrentLearner, learn_until
from prefrontal.agents.common.actions import Actions, choice
from prefrontal.agents.common.errors import CheckpointError, ConfigError, require_count
from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.common.policies import masked
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
from prefrontal.agents.runs.described import require_shape

P = TypeVar("P", bound="Population")


def make_population(job: Job, weights: Tensor) -> Population:
    """Make the agents of a job with these weights ``[P, n]``."""
    return Population.of(job, weights)


class Population(Members):
    """P independent agents of one shape.

    Args:
        weights: Parameters ``[P, n]``; None leaves them at zero.
        network: Shape of the networks.
        environment: What they were trained on; its ids are what `learn` makes.
        input_size: Inputs I a step.
        num_actions: Read-outs K of the policy: actions, if an action is one choice.
        seed: Seed they were trained with.
        members: Identities of the members (default 0 ... P - 1).
        actions: What actions there are; None: one choice among K.
        parts: What observations are made of, see `Part`.

    Raises:
        CheckpointError: Weights, members and network do not fit together.
    """

    KIND: ClassVar[str] = KIND
    greedy: ClassVar[bool] = False  # whether they take the best action where nothing else is asked

    def __init__(
        self,
        weights: Tensor | None,
        network: NetworkConfig,
        environment: EnvironmentSpec,
        input_size: int,
        num_actions: int,
        seed: int = 0,
        members: Sequence[int] | None = None,
        actions: Actions | None = None,
        parts: Sequence[Part] = (),
    ) -> None:
        self.network, self.environment, self.seed = network, environment, seed
        if members is None:
            members = range(0 if weights is None else len(weights))
        self.members = list(members)
        actions = actions or choice(num_actions)
        rows = rows_of(network, environment.inputs, input_size, actions.width)
        shape = input_size, num_actions, network, len(self.members)
        self.model = ActorCritic(*shape, rows=rows, actions=actions, parts=parts)
        self.parts: tuple[Part, ...] = tuple(parts)
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
        facts, network = probe(spec, discrete=False), network or NetworkConfig()
        sizes, kind = (facts.input_size, facts.actions.outputs), special(facts.actions)
        made = cls(None, network, spec, *sizes, seed, range(members), kind, facts.parts)
        streams = [generator(seed, member, "weights") for member in range(members)]
        made.model.initialise(streams)
        return made

    @classmethod
    def of(cls: type[P], job: Job, weights: Tensor) -> P:
        """Make the agents of a job with these weights ``[P, n]``."""
        facts, kind = job.facts, special(job.facts.actions)
        sizes = facts.input_size, facts.actions.outputs
        told = job.network, job.environment, *sizes, job.seed
        return cls(weights, *told, actions=kind, parts=facts.parts)

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
            special(self.model.policy.actions),
            self.parts,
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

    @property
    def discrete(self) -> bool:
        """Whether an action is one choice."""
        return self.model.policy.discrete

    def noise(self, steps: int, batch: int, generator: torch.Generator) -> Tensor:
        """Return what actions are drawn with, ``[T, N, B]``; see `Policy.sample`."""
        policy = self.model.policy
        return policy.noise_(torch.empty(steps, policy.noise_size, batch), [generator])

    def rollout(self, envs: Any, generators: list[torch.Generator]) -> Rollout:
        """Return how these agents play in an environment."""
        batch = envs.num_envs // len(self)
        return Rollout(envs, self.model, batch, generators, facts=True, learn=False)

    def judged(self, logits: Tensor, values: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Return what policies are ``[T, P, K, B]`` and values of states ``[T, P, B]``.

        A policy of choices is the probability of each option; of numbers, their means and
        deviations before squashing.
        """
        return self.model.policy.described(logits), values

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
        return (self._recorded(one, discount, hidden, greedy) for one in played)

    def _recorded(
        self, trajectory: Trajectory, discount: float, hidden: bool, greedy: bool
    ) -> Record:
        logits, values, said = self.model.read(trajectory.tapes)
        logits = masked(logits[: trajectory.steps], trajectory.available)
        policy, values = self.judged(logits, values, greedy)
        return record_of(self.model, trajectory, policy, values, said, discount, hidden)

    # SAVE

    def meta(self) -> dict[str, Any]:
        """Return what loading needs besides the weights."""
        model, who = self.model, tuple(self.members)
        sizes, kind = (model.input_size, model.num_actions), special(model.policy.actions)
        told = Description(self.network, self.environment, *sizes, self.seed, who, kind, self.parts)
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
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return actions for one observation or a batch, and the state for the next call.

        Args:
            observation: ``[I]`` or ``[n, I]``, with the inputs the agent was trained with (only
                their number can be checked here; see `check_env`).
            state: What the call before returned; None at the start of an episode.
            episode_start: ``[n]`` of bool; rows where an episode starts get the initial state.
            deterministic: Whether to take the best action. The default is how these agents act: an
                actor-critic draws from its policy (its randomness is part of how it explores).
            action_masks: Which of the K options can be chosen, ``[K]`` or ``[n, K]`` of bool (what
                an environment says in ``info["action_mask"]``); None: all.

        Returns:
            Actions (of one observation a 0-d array or ``[A]``, else ``[n]`` or ``[n, A]``) and the
            state, arrays ``[n, ...]``.

        Raises:
            ValueError: The observation or the state has the wrong size or is not finite.
        """
        tapes, logits = self._step(observation, state, episode_start)
        policy, batch = self.model.policy, tapes[0].batch
        if action_masks is not None:
            logits = masked(logits, self._available(action_masks, batch))
        if self.greedy if deterministic is None else deterministic:
            drawn = policy.best(logits)
        else:
            drawn = policy.sample(logits, self.noise(1, batch, self._generator)[0])
        action = policy.applied(drawn).numpy()
        after = [part for parts in self.model.state(tapes, 1) for part in parts]
        # The next prediction error is relative to this value.
        if self.model.rows.reward is not None:
            after.append(tapes[1].heads_t[0][:, :1].transpose(1, 2))
        kept = tuple(part[0].numpy().copy() for part in after)
        return (action[0] if np.ndim(observation) == 1 else action), kept

    def _available(self, masks: np.ndarray, n: int) -> Tensor:
        """Return which options can be chosen, ``[K, n]`` of bool."""
        given = np.atleast_2d(np.asarray(masks, dtype=bool))
        if (
            not self.discrete
            or given.shape != (n, self.model.num_actions)
            or not given.any(1).all()
        ):
            raise ValueError(
                f"action_masks of {n} observations must be {[n, self.model.num_actions]} and leave "
                f"an action in each row, not {list(given.shape)}; agents with other than Discrete "
                "actions take none"
            )
        return torch.from_numpy(given.T.copy())

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
