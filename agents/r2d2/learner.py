"""Recurrent Q-learning: explore → keep episodes → learn from sequences of them (R2D2).

Source: Kapturowski et al. (2019). The actor-critic serves as a dueling network: its logits are the
advantages of the actions (`prefrontal.agents.r2d2.targets.dueling`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job, RecurrentLearner, require_learnable
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.optim import anneal, check_finite, clip_by_norm
from prefrontal.agents.common.returns import count_steps, mean
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import ActorCritic, write_inputs
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import require_flat
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.r2d2.replay import QReplay, Window, episode_buffer
from prefrontal.agents.r2d2.targets import dueling, q_targets
from prefrontal.agents.rollout.blame import name_of
from prefrontal.agents.rollout.environments import facts_of, make_stages
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.agents.rollout.spec import EnvironmentFacts


def make_learner(job: Job, members: Sequence[int]) -> QLearner:
    """Make a learner for some members of a job."""
    envs = make_stages(job.environment, members, job.num_envs, device=job.device)
    config = cast(R2D2Config, job.algorithm)
    shape = (members, job.num_envs, job.total_steps, job.seed, job.device)
    return QLearner(envs, job.network, config, *shape)


def check(job: Job) -> str:
    """Check that a job can be trained, without building a learner.

    Returns:
        What there is to say of its memory.

    Raises:
        ConfigError: Settings do not fit each other or the environment, or there is not that much
            memory.
    """
    require_learnable(job)
    _check(job.network, job.facts)
    config, size = cast(R2D2Config, job.algorithm), 0
    if config.sequence is not None:
        model = ActorCritic(job.facts.input_size, job.facts.num_actions, job.network)
        size = sum(math.prod(shape) for shapes in model.state_shapes() for shape in shapes)
    streams = [generator(job.seed, 0, "replay")]
    return f"a member keeps {episode_buffer(config, job.facts, size, streams)}"


def exploration_noise(
    exploration: Tensor, steps: int, actions: int, generator: torch.Generator
) -> Tensor:
    """Return noise ``[T, K, B]`` for advantages, whose largest sum is the action to take.

    It is 0, and where an action is to be random, larger than any advantage for that action.

    Args:
        exploration: Probability of a random action in each environment, ``[B]``.
        steps: Steps T.
        actions: Actions K.
        generator: Of the random numbers.
    """
    batch = len(exploration)
    explore = torch.rand(steps, batch, generator=generator) < exploration
    action = torch.randint(actions, (steps, 1, batch), generator=generator)
    noise = torch.zeros(steps, actions, batch)
    return noise.scatter_(1, action, explore.unsqueeze(1) * 1e9)


class ExploringRollout(Rollout):
    """Take the best action, or, with the probabilities `exploration` ``[P, B]``, a random one."""

    exploration: Tensor

    def require_masks(self) -> None:
        """Refuse action masks: targets would have to know those of later steps.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"environment {name_of(self.envs)} says which actions can be chosen, and Q-learning "
            "cannot use that: --algorithm a2c can"
        )

    def draw_noise(self) -> Tensor:
        """Return the noise of a whole episode, ``[P, T, K, B]``; see `exploration_noise`."""
        pairs = zip(self.exploration, self.generators, strict=True)
        actions = self.model.num_actions
        noise = [exploration_noise(one, self.steps, actions, g) for one, g in pairs]
        return torch.stack(noise).to(self.model.device, self.model.dtype)


class QLearner(RecurrentLearner):
    """P members learning side by side; arguments as of `prefrontal.agents.a2c.learner.A2C`."""

    def __init__(
        self,
        envs: Any,
        network: NetworkConfig,
        config: R2D2Config,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        _check(network, facts_of(envs if isinstance(envs, list | tuple) else [envs]))
        shape = (members, batch, total_steps, seed, device)
        super().__init__(envs, network, config.optimiser, config.epsilon, *shape)
        self.config = config
        self.target = self.model.like()
        self.target.set_parameters(self.model.parameters)
        streams = self.streams("replay")
        self.replay = QReplay(config, self.model, self.stages.facts, streams)
        self.rollout = self._rollout()
        self.optimised = 0
        self._tapes: dict[tuple[int, int, int], list[Tape]] = {}

    def begin_with(self, weights: Tensor) -> None:
        """Begin to learn from these weights ``[P, n]``."""
        super().begin_with(weights)
        self.target.set_parameters(weights)

    def update(self) -> dict[str, Tensor]:
        """Play one episode in every environment, learn from kept ones; return metrics ``[P]``."""
        config = self.config
        while self.stage < self.stages.at(self.steps):
            self.move(self.stage + 1)
            if config.reset_optimiser:
                self.optimiser.reset()
        progress = self.stages.progress(self.steps, config.anneal).to(self.model.dtype)
        rate = anneal(config.learning_rate, config.learning_rate_final, progress)

        # COLLECT
        exploration = anneal(
            config.exploration, config.exploration_final, progress / config.exploration_anneal
        )
        ladder = torch.linspace(0, 1, self.batch) if self.batch > 1 else torch.zeros(1)
        exponent = 1 + config.exploration_spread * ladder
        self.rollout.exploration = exploration.unsqueeze(1) ** exponent
        trajectory = self.rollout.collect()
        self.replay.add(trajectory)
        self.steps += count_steps(trajectory.mask, trajectory.actions)

        # LEARN
        none = torch.zeros_like(rate)
        learned = {"value_loss": none, "q_mean": none, "gradient_norm": none}
        if len(self.replay.buffer) >= config.replay_start:
            for _ in range(config.optimiser_steps):
                learned = self._learn(rate)
        metrics = learned | {
            "return": trajectory.rewards.double().sum((0, 2)) / self.batch,
            "learning_rate": rate,
            "exploration": exploration,
        }
        if len(self.stages) > 1:
            metrics["stage"] = torch.full_like(rate, self.stage)
        return {name: value.detach().cpu().to(torch.float64) for name, value in metrics.items()}

    def _learn(self, rate: Tensor) -> dict[str, Tensor]:
        """Take one optimiser step."""
        config, model = self.config, self.model
        with torch.no_grad():
            window = self.replay.draw(config.replay_batch)
            tapes = self.unroll(model, window)
            valuer = dueling(*self.target.heads(self.unroll(self.target, window)))
            chooser = dueling(*model.heads(tapes)) if config.double else valuer
            # r_t + γ r_{t+1} + ... + γ^n Q_target(s_{t+n}, argmax Q)
            targets = q_targets(
                window.rewards,
                window.learn,
                window.valid,
                chooser,
                valuer,
                config.discount,
                config.n_step,
                config.rescaling,
            )
            learn = window.learn.to(model.dtype)
            even = learn / learn.sum((0, 2), keepdim=True)
        parameters = model.parameters.requires_grad_()
        q = dueling(*model.heads(tapes, parameters))
        q = q.gather(2, window.actions.unsqueeze(2)).squeeze(2)
        error = targets - q
        loss = 0.5 * mean(error.square(), even * window.importance)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        with torch.no_grad():
            norm = clip_by_norm(gradient, config.clip_norm)
            check_finite(norm, self.members, self.steps)
            flat = parameters.detach()
            self.optimiser.step(flat, gradient, rate.unsqueeze(1).to(model.device))
            model.set_parameters(flat)
            self.replay.prioritise(window, error.detach())
            self.optimised += 1
            if self.optimised % config.target_interval == 0:
                self.target.set_parameters(flat)
        return {"value_loss": loss, "q_mean": mean(q, even), "gradient_norm": norm}

    def unroll(self, model: ActorCritic, window: Window) -> list[Tape]:
        """Unroll a network over a window, from the state that was kept, or burned in from it."""
        state = window.state
        if state is not None and window.before is not None:
            burn = self._tapes_of(model, len(window.before), 1)
            write_inputs(burn, window.before)
            model.begin(burn, state)
            model.unroll(burn)
            burned = model.state(burn, len(window.before))
            state = [
                tuple(
                    torch.where(window.burned.view(*x.shape[:2], *[1] * (x.dim() - 2)), x, kept)
                    for x, kept in zip(after, part, strict=True)
                )
                for after, part in zip(burned, state, strict=True)
            ]
        tapes = self._tapes_of(model, window.slots)
        write_inputs(tapes, window.observations)
        model.begin(tapes, state)
        model.unroll(tapes)
        return tapes

    def _tapes_of(self, model: ActorCritic, slots: int, use: int = 0) -> list[Tape]:
        key = (int(model is self.target), slots, use)
        if key not in self._tapes:
            self._tapes[key] = model.tapes(slots, self.config.replay_batch)
        return self._tapes[key]

    # STAGES AND STATE

    def move(self, stage: int) -> None:
        """Make a stage the present one."""
        super().move(stage)
        self.rollout = self._rollout()

    def _rollout(self) -> ExploringRollout:
        play = self.stages.now, self.model, self.batch, self.generators
        return ExploringRollout(*play, every=True)

    def parts(self) -> Mapping[str, Any]:
        """Return what has a state of its own, by name."""
        return {**super().parts(), "replay": self.replay.buffer}

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly; first dimension: the member."""
        count = torch.full((len(self.members),), self.optimised)
        own = {"target": self.target.parameters.cpu(), "optimised": count}
        return super().state() | own

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        super().set_state(state)
        self.target.set_parameters(state["target"].to(self.model.device))
        self.optimised = int(state["optimised"][0])


def _check(network: NetworkConfig, facts: EnvironmentFacts) -> None:
    """Refuse a network that Q-learning cannot have."""
    require_flat("Q-learning", facts.parts, network)
    if network.actor_reward == "rpe":
        raise ConfigError('Q-learning cannot be combined with actor_reward "rpe"')
