"""Lifetimes of learning, many at once: what individuals achieve after they have learned a task.

One life: the initial weights meet one task; `updates` times the network plays `episodes` episodes
of it and takes one RMSProp step along the A2C gradient of their mean loss, with the individual's
own learning rate, discount, value and entropy weights (Monte Carlo returns, no bootstrap, no
clipping: the inner loop of the NeuroAI course, W2D4 tutorial 4); then it is tested without
learning. The first stage of the environment is what it learns on, the last what it is tested on;
parameters that the task calls lasting stay the same all its life, the others are drawn anew for
every episode.

A life is determined by its weights, its hyper-parameters and its seed, whoever lives beside it.
PyTorch lives any life. Where actions have no influence on what is seen next (`open_loop`), episodes
can be tabulated, and an LSTM's are lived by compiled code (``kernels/lifetime.cpp``), some 800,000
steps a second and core, unless there is no compiler or ``PREFRONTAL_KERNEL=torch`` is set. With
the input ``trial_start`` PyTorch lives them all.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.evolution.config import LifetimeConfig
from prefrontal.agents.evolution.lifetime_episodes import (
    Episodes,
    Numbers,
    Rows,
    best_action,
    draw_episodes,
    tabulate,
    task_of,
)
from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.kernels.build import available, compiled
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.rollout.blame import check_numbers
from prefrontal.agents.rollout.environments import rows_of
from prefrontal.agents.rollout.spec import EnvironmentSpec

_CHUNK = 512  # lives that are tabulated at once
_COMPILED_INPUTS = ("action", "reward", "centred_reward", "time")
_INPUTS = (*_COMPILED_INPUTS, "trial_start")
_COURSE = NetworkConfig(hidden_size=20)


@dataclass(frozen=True)
class Lives:
    """What became of L individuals, on one task each.

    Attributes:
        score: Reward of the test ``[L]``.
        correct: Whether the best action was taken, step by step, in learning and then in the test,
            ``[L, S]``; never on blank steps.
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
        network: Core and its units; the embedding is that of `config`.

    Attributes:
        net: The networks.
        task: Task of learning; `test` is that of the test.
        learning_steps: Environment steps of learning.

    Raises:
        ConfigError: If the environment has no tasks, or inputs that cannot be given here.
    """

    def __init__(
        self, spec: EnvironmentSpec, config: LifetimeConfig, network: NetworkConfig = _COURSE
    ) -> None:
        self.spec, self.config = spec, config
        unknown = [name for name in spec.inputs if name not in _INPUTS]
        if unknown:
            raise ConfigError(f"lifetimes take the inputs {', '.join(_INPUTS)}, not {unknown[0]!r}")
        self.task, self.test = (task_of(spec.stage(index)) for index in (0, -1))
        low, high = self.task.reward_range
        actions, width = self.task.num_actions, len(self.task.observation_low)
        self.observation_size = width
        self.rows: dict[str, int] = {}  # first row of each input
        for name in spec.inputs:
            self.rows[name] = width
            width += actions if name == "action" else 1
        self.centre = (2 / (high - low), -(high + low) / (high - low))
        rows = rows_of(network, spec.inputs, width, actions)
        self.net = LifetimeNet(width, actions, network, config.embedding_size, rows.trial)
        self.learning_steps = config.updates * config.episodes * self.task.steps
        self.tabulated = bool(self.task.open_loop) and "trial_start" not in self.rows

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
        """Let L individuals live, each on the task of its seed.

        Args:
            weights: Initial weights ``[L, n]``.
            hyper: Hyper-parameters ``[L, 4]``, columns as in `HYPER`.
            seeds: Seeds of tasks, noise and actions ``[L]``, below 2^63.
            split: Split in place of the environment's.
            learning: Whether they learn before the test, which is the same if they do not.
            keep_weights: Whether the weights after learning are wanted.
        """
        split = split or self.spec.split
        weights, hyper = weights.float().contiguous(), hyper.float().contiguous()
        parts = []
        for i in range(0, len(weights), _CHUNK):
            some = slice(i, i + _CHUNK)
            life, test = self._draw(seeds[some], split, learning)
            fast = self.tabulated and self.net.lstm and available("lifetime")
            lived = self._compiled if fast else self._torch
            parts.append(lived(weights[some], hyper[some], life, test, keep_weights))
        learned = [part.weights for part in parts if part.weights is not None]
        return Lives(
            torch.cat([part.score for part in parts]),
            torch.cat([part.correct for part in parts]),
            torch.cat(learned) if keep_weights else None,
        )

    def _draw(
        self, seeds: Sequence[int], split: str, learning: bool
    ) -> tuple[Episodes | None, Episodes]:
        """Draw the episodes of learning, if there are any, and of the test."""
        numbers = Numbers(seeds)
        # The test is drawn first: it is the same whether or not there is learning before it.
        test = draw_episodes(self.test, numbers, 1, split, None)
        names = self.task.parameters if self.task.lasting is None else self.task.lasting
        lasting = {name: test.params[name] for name in names}
        count = self.config.updates * self.config.episodes if learning else 0
        return draw_episodes(self.task, numbers, count, split, lasting) if count else None, test

    # COMPILED

    def _compiled(
        self, weights: Tensor, hyper: Tensor, life: Episodes | None, test: Episodes, keep: bool
    ) -> Lives:
        library, count = _library(), len(weights)
        updates = self.config.updates if life is not None else 0
        shape = ctypes.byref(self._shape(updates))
        assert library.lifetimes_size(shape) == self.net.size
        tables = [tabulate(self.task, life, count), tabulate(self.test, test, count)]
        played = updates * self.config.episodes * int(self.task.steps) + int(self.test.steps)
        actions = torch.empty(count, played, dtype=torch.int8)
        score = torch.empty(count)
        learned = torch.empty_like(weights) if keep else None
        arrays = [weights, hyper, *tables[0][:3], *tables[1][:3], actions, score]
        pointers = [array.data_ptr() for array in arrays]
        library.lifetimes_live(
            shape, count, *pointers, learned.data_ptr() if learned is not None else None
        )
        best = torch.cat([table[3].flatten(1) for table in tables], 1)
        return Lives(score, actions == best, learned)

    def _shape(self, updates: int) -> _Life:
        """Return the `struct Life` of ``kernels/lifetime.cpp``."""
        config, net, scale = self.config, self.net, self.centre
        sizes = self.observation_size, net.inputs, net.embedding, net.hidden, net.actions
        lengths = updates, config.episodes, int(self.task.steps), int(self.test.steps)
        rows = [self.rows.get(name, -1) for name in _COMPILED_INPUTS]
        return _Life(*sizes, *lengths, *rows, *scale, config.decay, config.epsilon)

    # PYTORCH

    def _torch(
        self, weights: Tensor, hyper: Tensor, life: Episodes | None, test: Episodes, keep: bool
    ) -> Lives:
        config = self.config
        rate, discount, value, entropy = hyper.to(weights.dtype).unbind(1)
        square, correct = torch.zeros_like(weights), []
        for update in range(config.updates if life is not None else 0):
            assert life is not None
            weights = weights.detach().requires_grad_()
            rows = life.rows(update * config.episodes, config.episodes)
            played = self._play(self.task, rows, weights)
            correct.append(played.correct)
            loss = played.loss(discount, value, entropy)
            (gradient,) = torch.autograd.grad(loss.sum(), weights)
            with torch.no_grad():  # one step of RMSProp
                square = config.decay * square + (1 - config.decay) * gradient.square()
                weights = weights - rate[:, None] * gradient / (square.sqrt() + config.epsilon)
        with torch.no_grad():
            tested = self._play(self.test, test.rows(0, 1), weights)
        score = tested.rewards.sum((0, 2))
        correct.append(tested.correct)
        return Lives(score, torch.cat(correct, 1), weights.detach() if keep else None)

    def _play(self, task: Any, rows: Rows, weights: Tensor) -> _Played:
        """Play the same number of episodes B of every one of L individuals."""
        plain, lives, batch = self.net.plain, len(weights), rows.batch
        views = plain.views(weights)
        state, observation = task.reset(rows.params)
        memory = plain.initial_state(views, batch)
        records: list[tuple[Tensor, ...]] = []
        seen: list[Tensor] = []
        x = weights.new_zeros(lives, batch, self.net.inputs)
        for t in range(int(task.steps)):
            if (row := self.rows.get("trial_start")) is not None:
                starts = torch.as_tensor(t == 0 or task.trial_start(rows.params, state))
                x[:, :, row] = starts.expand(lives * batch).view(lives, batch)
            x[:, :, : self.observation_size] = observation.view(lives, batch, -1)
            seen.append(observation)
            outputs, _, memory = plain.step(views, x, memory)
            logits, value = outputs[..., :-1], outputs[..., -1]
            low = logits.detach().softmax(2).cumsum(2)[:, :, :-1]
            action = (rows.uniform[t].view(lives, batch, 1) >= low).sum(2)
            facts = task.facts(rows.params, state, action.flatten())
            state, observation, reward = task.step(
                rows.params, state, action.flatten(), rows.noise[t]
            )
            best = best_action(task, facts).view(lives, batch)
            reward = reward.view(lives, batch)
            records.append((logits, value, action, reward, action == best))
            x = self._next(x, action, reward, (t + 1) / int(task.steps))
        played = _Played(*(torch.stack(kept) for kept in zip(*records, strict=True)))
        check_numbers(self.spec.id, "reward", played.rewards, task, first=1)
        check_numbers(self.spec.id, "observation", torch.stack(seen), task)
        return played

    def _next(self, x: Tensor, action: Tensor, reward: Tensor, time: float) -> Tensor:
        """Return the inputs of the next step ``[L, B, I]``, without its observation."""
        x = torch.zeros_like(x)
        scale, shift = self.centre
        given = {
            "action": torch.nn.functional.one_hot(action, self.net.actions),
            "reward": reward[..., None],
            "centred_reward": (reward * scale + shift)[..., None],
            "time": torch.full_like(reward, time)[..., None],
        }
        for name, value in given.items():
            if (row := self.rows.get(name)) is not None:
                x[:, :, row : row + value.shape[2]] = value
        return x


@dataclass(frozen=True)
class _Played:
    """Episodes of L individuals, B each: logits ``[T, L, B, A]``, all else ``[T, L, B]``."""

    logits: Tensor
    values: Tensor
    actions: Tensor
    rewards: Tensor
    best: Tensor

    @property
    def correct(self) -> Tensor:
        """Whether the best action was taken, episode after episode: ``[L, B T]``."""
        return self.best.permute(1, 2, 0).flatten(1)

    def loss(self, discount: Tensor, value: Tensor, entropy: Tensor) -> Tensor:
        """Return ``-log π A + value_coef (G - v)² - entropy_coef H``, mean over steps: ``[L]``."""
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


class _Life(ctypes.Structure):
    """The `struct Life` of ``kernels/lifetime.cpp``."""

    _fields_ = tuple(
        [(n, ctypes.c_int32) for n in ("D", "I", "E", "H", "A", "updates", "episodes", "T", "test")]
        + [(n, ctypes.c_int32) for n in ("action", "reward", "centred", "time")]
        + [(n, ctypes.c_float) for n in ("scale", "shift", "decay", "epsilon")]
    )


def _library() -> Any:
    library: Any = compiled("lifetime", struct=_Life)
    library.lifetimes_size.restype = ctypes.c_long
    library.lifetimes_size.argtypes = [ctypes.c_void_p]
    library.lifetimes_live.restype = None
    library.lifetimes_live.argtypes = [ctypes.c_void_p, ctypes.c_long] + [ctypes.c_void_p] * 11
    return library
