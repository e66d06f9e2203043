"""Recurrent Q-learning: explore → keep episodes → learn from sequences of them (R2D2, Kapturowski et al. 2019).

The actor-critic of `prefrontal.agents.networks.actor_critic` serves as a dueling network: its logits are the advantages of the actions. So the
trained agents are a `Population` like any other, and act greedily with ``deterministic=True`` (to draw from their logits
means nothing).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.a2c import loss as a2c_loss
from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.common.optim import Optimiser, clip_by_norm
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.r2d2.config import QConfig
from prefrontal.agents.r2d2.replay import QReplay, Window
from prefrontal.agents.r2d2.targets import dueling, q_targets
from prefrontal.agents.rollout.environments import Stages
from prefrontal.agents.rollout.rollout import Rollout

__all__ = ["ExploringRollout", "QConfig", "QLearner"]


class ExploringRollout(Rollout):
    """Takes the best action, or, with the probabilities in `exploration` ``[P, B]``, any."""

    exploration: Tensor

    def draw_noise(self) -> Tensor:
        """Noise ``[P, T, K, B]``: 0, and where an action is to be random, more than any advantage for that action."""
        steps, actions, batch = self._noise.shape[1:]
        self._noise.zero_()
        for member, g in enumerate(self.generators):
            explore = torch.rand(steps, batch, generator=g) < self.exploration[member]
            action = torch.randint(actions, (steps, 1, batch), generator=g)
            self._noise[member].scatter_(1, action, explore.unsqueeze(1) * 1e9)
        return self._noise.to(self.model.device, self.model.dtype)


class QLearner:
    """P members learning side by side; the arguments are those of `prefrontal.agents.a2c.learner.A2C`."""

    def __init__(
        self,
        envs: Any,
        network: NetworkConfig,
        config: QConfig,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if network.actor_reward == "rpe":
            raise ConfigError('Q-learning cannot be combined with actor_reward "rpe"')
        self.stages = Stages(envs if isinstance(envs, list | tuple) else [envs], total_steps)
        self.stage, self.envs = 0, self.stages.envs[0]
        self.config, self.members, self.batch = config, list(members), batch
        size, actions = self.envs.single_observation_space.shape[0], self.envs.num_actions
        make = (size, actions, network, len(self.members))
        self.model, self.target = (ActorCritic(*make, device=device) for _ in range(2))
        self.model.initialise([generator(seed, member, "weights") for member in self.members])
        self.target.set_parameters(self.model.parameters)
        self.optimiser = Optimiser(self.model.parameters, config.optimiser, config.epsilon)
        self.generators = [generator(seed, member, "actions") for member in self.members]
        for each in self.stages.envs:
            each.reset(seed=seed)
        streams = [generator(seed, member, "replay") for member in self.members]
        self.replay = QReplay(config, self.model, self.stages.facts.longest, streams)
        self.rollout = ExploringRollout(self.envs, self.model, batch, self.generators)
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)
        self.optimised = 0
        self._tapes: dict[tuple[int, int, int], list[Tape]] = {}

    def close(self) -> None:
        """Closes the environments."""
        for envs in self.stages.envs:
            envs.close()

    def update(self) -> dict[str, Tensor]:
        """Plays one episode in every environment and learns from kept ones; returns metrics, each ``[P]``."""
        config = self.config
        self._enter_stage()
        progress = self.stages.progress(self.steps, config.anneal).to(self.model.dtype)
        rate = (1 - progress) * config.learning_rate + progress * config.learning_rate_final

        # COLLECT
        exploration = a2c_loss.anneal(
            config.exploration, config.exploration_final, progress / config.exploration_anneal
        )
        ladder = torch.linspace(0, 1, self.batch) if self.batch > 1 else torch.zeros(1)
        exponent = 1 + config.exploration_spread * ladder
        self.rollout.exploration = exploration.unsqueeze(1) ** exponent
        trajectory = self.rollout.collect()
        self.replay.add(trajectory)
        self.steps += a2c_loss.count(trajectory)

        # LEARN
        none = torch.zeros_like(rate)
        learned = {"value_loss": none, "q_mean": none, "gradient_norm": none}
        if len(self.replay.buffer) >= config.replay_start:
            for _ in range(config.optimiser_steps):
                learned = self._learn(rate)
        metrics = learned | {
            "return": a2c_loss.by_member(trajectory.rewards).double().sum(1) / self.batch,
            "learning_rate": rate,
            "exploration": exploration,
        }
        if len(self.stages) > 1:
            metrics["stage"] = torch.full_like(rate, self.stage)
        return {name: value.detach().cpu().to(torch.float64) for name, value in metrics.items()}

    def _learn(self, rate: Tensor) -> dict[str, Tensor]:
        """One optimiser step."""
        config, model = self.config, self.model
        with torch.no_grad():
            window = self.replay.draw(config.replay_batch)
            tapes = self.unroll(model, window)
            self.unroll(self.target, window)
            valuer = dueling(*self.target.heads(self._tapes_of(self.target, window.slots)))
            chooser = dueling(*model.heads(tapes)) if config.double else valuer
            targets = q_targets(
                window.rewards, window.learn, window.there, chooser, valuer, config.discount,
                config.n_step, config.rescaling,
            )  # fmt: skip
            learn = window.learn.to(model.dtype)
            weight = learn / learn.sum((0, 2), keepdim=True) * window.importance
        parameters = model.parameters.requires_grad_()
        q = dueling(*model.heads(tapes, parameters))
        q = q.gather(2, window.actions.unsqueeze(2)).squeeze(2)
        error = targets - q
        loss = 0.5 * a2c_loss.mean(error.square(), weight)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        with torch.no_grad():
            norm = clip_by_norm(gradient, config.clip_norm)
            bad = [self.members[i] for i in torch.nonzero(~torch.isfinite(norm)).flatten().tolist()]
            if bad:
                names = ", ".join(map(str, bad))
                raise TrainingError(
                    f"the loss of member {names} is not a number at step {int(self.steps.max())}: "
                    "try a smaller --learning-rate (the last checkpoint is kept)"
                )
            flat = parameters.detach()
            self.optimiser.step(flat, gradient, rate.unsqueeze(1).to(model.device))
            model.set_parameters(flat)
            self.replay.prioritise(window, error.detach())
            self.optimised += 1
            if self.optimised % config.target_interval == 0:
                self.target.set_parameters(flat)
        return {
            "value_loss": loss,
            "q_mean": a2c_loss.mean(q, learn / learn.sum((0, 2), keepdim=True)),
            "gradient_norm": norm,
        }

    def unroll(self, model: ActorCritic, window: Window) -> list[Tape]:
        """Unrolls a network over a window, from the state that was kept, or burned in from it; returns the tapes."""
        state = window.state
        if state is not None and window.before is not None:
            burn = self._tapes_of(model, len(window.before), 1)
            _record(burn, window.before)
            model.begin(burn, state)
            for t in range(len(window.before)):
                model.step(burn, t)
            burned = model.state(burn, len(window.before))
            state = [
                tuple(
                    torch.where(window.burned.view(*x.shape[:2], *[1] * (x.dim() - 2)), x, kept)
                    for x, kept in zip(after, part, strict=True)
                )
                for after, part in zip(burned, state, strict=True)
            ]
        tapes = self._tapes_of(model, window.slots)
        _record(tapes, window.observations)
        model.begin(tapes, state)
        for t in range(window.slots):
            model.step(tapes, t)
        return tapes

    def _tapes_of(self, model: ActorCritic, slots: int, use: int = 0) -> list[Tape]:
        key = (int(model is self.target), slots, use)
        if key not in self._tapes:
            self._tapes[key] = model.tapes(slots, self.config.replay_batch)
        return self._tapes[key]

    # STAGES AND STATE

    def _enter_stage(self) -> None:
        """Goes on to the next stage if it is time."""
        while self.stage < self.stages.at(self.steps):
            self._move(self.stage + 1)
            if self.config.reset_optimiser:
                like = self.model.parameters
                self.optimiser = Optimiser(like, self.config.optimiser, self.config.epsilon)

    def _move(self, stage: int) -> None:
        """Makes a stage the present one: its environments continue the streams of random numbers."""
        random = self.envs.random_state()
        self.stage, self.envs = stage, self.stages.envs[stage]
        self.envs.set_random_state(random)
        self.rollout = ExploringRollout(self.envs, self.model, self.batch, self.generators)

    def state(self) -> dict[str, Tensor]:
        """All that training needs to go on exactly: tensors whose leading dimension is the member."""
        members = (len(self.members),)
        state = {
            "weights": self.model.parameters,
            "target": self.target.parameters,
            "steps": self.steps,
            "stage": torch.full(members, self.stage),
            "optimised": torch.full(members, self.optimised),
            "generator.actions": generator_states(self.generators),
        }
        for name, part in self._parts(self.envs.random_state()).items():
            state |= {f"{name}.{key}": value for key, value in part.items()}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def _parts(self, random: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {
            "optimiser": self.optimiser.state(),
            "envs": random,
            "replay": self.replay.buffer.state(),
        }

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self.model.set_parameters(state["weights"].to(self.model.device))
        self.target.set_parameters(state["target"].to(self.model.device))
        self.steps, self.optimised = state["steps"].clone(), int(state["optimised"][0])
        set_generator_states(self.generators, state["generator.actions"])
        if int(state["stage"][0]) != self.stage:
            self._move(int(state["stage"][0]))
        self.optimiser.set_state(_section(state, "optimiser."))
        self.envs.set_random_state(_section(state, "envs."))
        self.replay.buffer.set_state(_section(state, "replay."))


def _record(tapes: list[Tape], observations: Tensor) -> None:
    """Writes observations ``[T, P, I, B]`` as the inputs of tapes."""
    for tape in tapes:
        for x, source in zip(tape.x_t, observations, strict=False):
            x.copy_(source)


def _section(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
