"""Lifetimes of learning, many at once: what an individual with these genes achieves after it has learned a task.

One life: the newborn weights meet one task; `updates` times the network plays `episodes` episodes of it and takes one
RMSProp step along the A2C gradient of their mean loss, with the individual's own learning rate, discount, value and entropy
weights (Monte Carlo returns, no bootstrap, no clipping: the inner loop of the NeuroAI course, W2D4 tutorial 4); then it is
tested without learning. The first stage of the environment is what it learns on, the last what it is tested on; parameters
that the task calls lasting stay the same all its life, the others are drawn anew for every episode.

A life is determined by its weights, its hyper-parameters and its seed, whoever lives beside it. Where actions have no
influence on what is seen next (`open_loop`), episodes are tabulated and lived by compiled code (`lifetime_kernel.cpp`), some
800,000 steps a second and core; everywhere else, without a compiler, or with ``PREFRONTAL_KERNEL=torch``, by PyTorch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.evolution.lifetime_episodes import (
    Numbers,
    Rows,
    draw_episodes,
    tabulate,
    task_of,
)
from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.kernels.build import available, compiled
from prefrontal.agents.rollout.spec import EnvironmentSpec

__all__ = ["HYPER", "LifetimeConfig", "Lifetimes", "Lives"]

#: Hyper-parameters of an individual, in the order of the columns.
HYPER = ("learning_rate", "discount", "value_coef", "entropy_coef")

_CHUNK = 512  # lives that are tabulated at once
_INPUTS = ("action", "reward", "centred_reward", "time")


@dataclass(frozen=True)
class LifetimeConfig:
    """A life of learning; the defaults are those of the NeuroAI course.

    Attributes:
        updates: Optimiser steps.
        episodes: Episodes each.
        embedding_size: Units of a linear layer before the LSTM; 0: none.
        decay: Decay of RMSProp's mean square.
        epsilon: Added to its root.
    """

    updates: int = 25
    episodes: int = 1
    embedding_size: int = 20
    decay: float = 0.99
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name, least in (("updates", 0), ("episodes", 1), ("embedding_size", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not (0 <= self.decay < 1 and self.epsilon > 0):
            raise ValueError("decay must lie in [0, 1) and epsilon be positive")


@dataclass(frozen=True)
class Lives:
    """What became of L individuals, on one task each.

    Attributes:
        score: Reward of the test ``[L]``.
        correct: Whether the best action was taken, step by step, in learning and then in the test ``[L, S]``.
        weights: Weights after learning ``[L, n]``, if they were asked for.
    """

    score: Tensor
    correct: Tensor
    weights: Tensor | None


class Lifetimes:
    """Lives on the tasks of one environment.

    Args:
        spec: The environment: first stage for learning, last for the test.
        config: What a life is.
        hidden_size: LSTM units.

    Raises:
        ConfigError: If the environment is not one of tasks, or has inputs that cannot be given here.
    """

    def __init__(
        self, spec: EnvironmentSpec, config: LifetimeConfig, hidden_size: int = 20
    ) -> None:
        self.spec, self.config = spec, config
        unknown = [name for name in spec.inputs if name not in _INPUTS]
        if unknown:
            raise ConfigError(f"lifetimes take the inputs {', '.join(_INPUTS)}, not {unknown[0]!r}")
        self.task, self.test = (task_of(spec.stage(index)) for index in (0, -1))
        low, high = self.task.reward_range
        actions, size = self.task.num_actions, len(self.task.observation_low)
        self.rows: dict[str, int] = {}
        width = size
        for name in spec.inputs:
            self.rows[name] = width
            width += actions if name == "action" else 1
        self.centre = (2 / (high - low), -(high + low) / (high - low))
        self.net = LifetimeNet(width, config.embedding_size, hidden_size, actions)
        self.observation_size = size
        self.learning_steps = config.updates * config.episodes * self.task.steps
        self.tabulated = bool(self.task.open_loop)

    @property
    def steps(self) -> int:
        """Environment steps of one life."""
        return self.learning_steps + int(self.test.steps)

    def live(
        self,
        weights: Tensor,
        hyper: Tensor,
        seeds: Sequence[int],
        *,
        split: str | None = None,
        learning: bool = True,
        keep_weights: bool = False,
    ) -> Lives:
        """Lets L individuals live, each on the task of its seed.

        Args:
            weights: Newborn weights ``[L, n]``.
            hyper: Hyper-parameters ``[L, 4]``, columns as in `HYPER`.
            seeds: Of tasks, noise and actions ``[L]``, below 2^63.
            split: In place of the environment's split.
            learning: Whether they learn before the test; if not, they are tested on the same as if they had.
            keep_weights: Whether the weights after learning are wanted.

        Returns:
            What became of them.
        """
        split = split or self.spec.split
        weights = weights.float().contiguous()
        rows = range(0, len(weights), _CHUNK)
        parts = [
            self._live(
                weights[i : i + _CHUNK], hyper[i : i + _CHUNK].float().contiguous(),
                seeds[i : i + _CHUNK], split, learning, keep_weights,
            )
            for i in rows
        ]  # fmt: skip
        return Lives(
            torch.cat([part.score for part in parts]),
            torch.cat([part.correct for part in parts]),
            torch.cat([part.weights for part in parts if part.weights is not None])
            if keep_weights
            else None,
        )

    def _live(
        self, weights: Tensor, hyper: Tensor, seeds: Sequence[int], split: str, learning: bool, keep: bool
    ) -> Lives:  # fmt: skip
        config = self.config
        numbers = Numbers(seeds)
        # The test is drawn first: it is the same whether or not there is learning before it.
        test = draw_episodes(self.test, numbers, 1, split, None)
        lasting = {name: test.params[name] for name in self._lasting()}
        count = config.updates * config.episodes if learning else 0
        life = draw_episodes(self.task, numbers, count, split, lasting) if count else None
        if self.tabulated and available():
            return self._compiled(weights, hyper, life, test, keep)
        return self._torch(weights, hyper, life, test, keep)

    def _lasting(self) -> tuple[str, ...]:
        names: tuple[str, ...] | None = self.task.lasting
        return tuple(self.task.parameters) if names is None else names

    def _compiled(self, weights: Tensor, hyper: Tensor, life: Any, test: Any, keep: bool) -> Lives:
        count = len(weights)
        updates = self.config.updates if life is not None else 0
        shape = self._shape(updates)
        tables = [tabulate(self.task, life, count), tabulate(self.test, test, count)]
        played = updates * self.config.episodes * int(self.task.steps) + int(self.test.steps)
        actions = torch.empty(count, played, dtype=torch.int8)
        score = torch.empty(count)
        learned = torch.empty_like(weights) if keep else None
        arrays = [weights, hyper, *tables[0][:3], *tables[1][:3], actions, score]
        pointers = [ctypes.c_void_p(array.data_ptr()) for array in arrays]
        end = ctypes.c_void_p(learned.data_ptr() if learned is not None else None)
        _library().lifetimes_live(ctypes.byref(shape), count, *pointers, end)
        best = torch.cat([table[3].flatten(1) for table in tables], 1)
        return Lives(score, actions == best, learned)

    def _shape(self, updates: int) -> _Life:
        config, net = self.config, self.net
        places = [self.rows.get(name, -1) for name in _INPUTS]
        action, reward, centred, time = places
        return _Life(
            self.observation_size, net.inputs, net.embedding, net.hidden, net.actions, updates,
            config.episodes, int(self.task.steps), int(self.test.steps), action, reward, centred, time,
            *self.centre, config.decay, config.epsilon,
        )  # fmt: skip

    def _torch(self, weights: Tensor, hyper: Tensor, life: Any, test: Any, keep: bool) -> Lives:
        config = self.config
        rate, discount, value, entropy = hyper.to(weights.dtype).unbind(1)
        square, correct = torch.zeros_like(weights), []
        for update in range(config.updates if life is not None else 0):
            weights = weights.detach().requires_grad_()
            rows = life.rows(update * config.episodes, config.episodes)
            played = self._play(self.task, rows, weights)
            correct.append(played.correct)
            loss = played.loss(discount, value, entropy)
            (gradient,) = torch.autograd.grad(loss.sum(), weights)
            with torch.no_grad():
                square = config.decay * square + (1 - config.decay) * gradient.square()
                weights = weights - rate[:, None] * gradient / (square.sqrt() + config.epsilon)
        with torch.no_grad():
            tested = self._play(self.test, test.rows(0, 1), weights)
        score = tested.rewards.sum((0, 2))
        correct.append(tested.correct)
        return Lives(score, torch.cat(correct, 1), weights.detach() if keep else None)

    def _play(self, task: Any, rows: Rows, weights: Tensor) -> _Played:
        """Plays the same number of episodes B of every one of L individuals."""
        lives, batch = len(weights), rows.batch
        state, observation = task.reset(rows.params)
        memory = self.net.begin(lives, batch, weights)
        records: list[list[Tensor]] = [[], [], [], [], []]
        x = weights.new_zeros(lives, batch, self.net.inputs)
        for t in range(int(task.steps)):
            x = x.clone()
            x[:, :, : self.observation_size] = observation.view(lives, batch, -1)
            logits, value, memory = self.net.step(weights, x, memory)
            low = logits.detach().softmax(2).cumsum(2)[:, :, :-1]
            action = (rows.uniform[t].view(lives, batch, 1) >= low).sum(2)
            facts = task.facts(rows.params, state, action.flatten())
            state, observation, reward = task.step(
                rows.params, state, action.flatten(), rows.noise[t]
            )
            best = facts["optimal_action"].view(lives, batch)
            reward = reward.view(lives, batch)
            for kept, item in zip(
                records, (logits, value, action, reward, action == best), strict=True
            ):
                kept.append(item)
            x = self._next(x, action, reward, (t + 1) / int(task.steps))
        return _Played(*(torch.stack(kept) for kept in records))

    def _next(self, x: Tensor, action: Tensor, reward: Tensor, time: float) -> Tensor:
        """Inputs of the next step, without its observation."""
        x = torch.zeros_like(x)
        scale, shift = self.centre
        for name, row in self.rows.items():
            if name == "action":
                x[:, :, row : row + self.net.actions] = torch.nn.functional.one_hot(
                    action, self.net.actions
                ).to(x.dtype)
            else:
                given = {"reward": reward, "centred_reward": reward * scale + shift}
                x[:, :, row] = given.get(name, torch.full_like(reward, time)).to(x.dtype)
        return x


@dataclass(frozen=True)
class _Played:
    """Episodes of L individuals, B each: logits ``[T, L, B, A]``, values, actions, rewards, correct ``[T, L, B]``."""

    logits: Tensor
    values: Tensor
    actions: Tensor
    rewards: Tensor
    best: Tensor

    @property
    def correct(self) -> Tensor:
        """Whether the best action was taken, episode after episode: ``[L, B * T]``."""
        return self.best.permute(1, 2, 0).flatten(1)

    def loss(self, discount: Tensor, value: Tensor, entropy: Tensor) -> Tensor:
        """-log π A + value_coef (G - v)² - entropy_coef H, mean over steps and episodes: ``[L]``."""
        total, returns = torch.zeros_like(self.values[0]), []
        for reward in self.rewards.to(total.dtype).flip(0):
            total = reward + discount[:, None] * total
            returns.append(total.detach())
        advantage = torch.stack(returns[::-1]) - self.values
        log_probs = self.logits.log_softmax(3)
        chosen = log_probs.gather(3, self.actions[..., None]).squeeze(3)
        uncertainty = -(log_probs.exp() * log_probs).sum(3)
        loss = -chosen * advantage.detach() + value[:, None] * advantage.square()
        return (loss - entropy[:, None] * uncertainty).mean((0, 2))


_FIELDS: dict[str, Any] = dict.fromkeys(
    ("D", "I", "E", "H", "A", "updates", "episodes", "T", "test", "action", "reward", "centred", "time"),
    ctypes.c_int32,
) | dict.fromkeys(("scale", "shift", "decay", "epsilon"), ctypes.c_float)  # fmt: skip


class _Life(ctypes.Structure):
    _fields_ = tuple(_FIELDS.items())


def _library() -> Any:
    library: Any = compiled("lifetime")
    library.lifetimes_size.restype = ctypes.c_long
    library.lifetimes_live.restype = None
    library.lifetimes_live.argtypes = [ctypes.c_void_p, ctypes.c_long] + [ctypes.c_void_p] * 11
    return library
