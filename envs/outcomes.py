"""What every action would show and pay in a batch of episodes, told before they are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from prefrontal.envs.lazy import Tensor, torch

State = dict[str, Any]


class Outcomes(NamedTuple):
    """All that can happen in a batch of episodes whose states do not depend on actions.

    Attributes:
        rewards: What each action would pay at each step, ``[T, A, n]`` float32.
        observations: What is shown before each step, ``[T, D, n]``; or, where that depends on the
            action of the step before, ``[T, A, D, n]`` (at the first step the same for all).
        states: The states before each step, for facts and for what a critic may see; None if
            actions leave a trace in them that these need: then the episode is stepped through.
        seen: Makes what a critic may see at each step, ``[T, n, K]``; None: by `states`.
        following: Where what is shown and paid also depends on where an episode is, one of S places
            that actions lead to: the next place ``[T, S, A]`` int64; rewards are ``[T, S A, n]``,
            observations ``[T, S, D, n]``.
        start: The first places, ``[n]`` int64.
    """

    rewards: Tensor
    observations: Tensor
    states: Sequence[State] | None = None
    seen: Callable[[], Tensor] | None = None
    following: Tensor | None = None
    start: Tensor | None = None

    def visited(
        self, task: Any, params: dict[str, Tensor], noise: Tensor, actions: Tensor
    ) -> Sequence[State]:
        """Return the states before each step, given the actions ``[T, n]`` taken."""
        if self.states is not None:
            return self.states
        states = [task.reset(params)[0]]
        for action, now in zip(actions[:-1], noise, strict=False):
            states.append(task.step(params, states[-1], action, now)[0])
        return states

    def privileged(self, task: Any, params: dict[str, Tensor], states: Sequence[State]) -> Tensor:
        """Return what a critic may see at each step, ``[T, n, K]``, given the states."""
        if self.seen is not None:
            return self.seen()
        return torch.stack([task.privileged(params, state) for state in states])


class Table(NamedTuple):
    """`Outcomes` as an agent meets them: its inputs, but for what its own actions will add.

    Attributes:
        inputs: Inputs of each step, ``[T, I, n]``; 0 where they depend on actions.
        rewards: As in `Outcomes`.
        shown: Observations ``[T, A, D, n]`` that depend on the action before; else None.
        rows: First row of the inputs of each name; ``"observation"`` for `shown`.
        scale: Factor of the centred reward.
        shift: What is added to that.
        values: The rewards that there are, for ``"reward_one_hot"``; else none.
        following, start: As in `Outcomes`.
    """

    inputs: Tensor
    rewards: Tensor
    shown: Tensor | None
    rows: dict[str, int]
    scale: float
    shift: float
    values: tuple[float, ...]
    following: Tensor | None = None
    start: Tensor | None = None


def ticking(state: State, steps: int) -> list[State]:
    """Return the states of an episode in which only ``t`` changes."""
    return [{**state, "t": t} for t in range(steps)]


def constant(observation: Tensor, steps: int) -> Tensor:
    """Return what is the same at all steps, ``[n, D]``, as ``[T, D, n]``."""
    return observation.T.expand(steps, -1, -1)


def step_by_step(task: Any, params: dict[str, Tensor], noise: Tensor) -> Outcomes:
    """Return the outcomes of an open-loop task, every action tried at every step.

    Args:
        task: The task; its `open_loop` must be true.
        params: Of n episodes.
        noise: Of all steps, ``[T, K, n]``.
    """
    shown, paid = [], []
    state, observation = task.reset(params)
    for now in noise:
        shown.append(observation.T)
        outcomes = []
        for a in range(int(task.num_actions)):
            action = torch.full((len(observation),), a, device=observation.device)
            after, following, reward = task.step(params, state, action, now)
            outcomes.append(reward)
        paid.append(torch.stack(outcomes))
        state, observation = after, following
    return Outcomes(torch.stack(paid).float(), torch.stack(shown).float())


def with_time(features: Tensor, steps: int) -> Tensor:
    """Return features ``[n, K]`` or ``[T, n, K]`` and then the time t / T, ``[T, n, K + 1]``."""
    time = (torch.arange(steps, dtype=torch.float64) / steps).to(features)
    features = features.expand(steps, -1, -1)
    return torch.cat([features, time[:, None, None].expand_as(features[:, :, :1])], 2)


def distrust(cls: Any, default: Any) -> None:
    """Let a class with dynamics of its own tell nothing that was said of its base class's.

    Args:
        cls: A class of tasks that is being made.
        default: Its `outcomes`, unless it has its own, or the dynamics are inherited too.
    """

    def replaced(name: str) -> bool:
        found = (vars(base)[name] for base in cls.__mro__[1:] if name in vars(base))
        return name in vars(cls) and not getattr(next(found, None), "__isabstractmethod__", False)

    if "outcomes" in vars(cls):
        return
    if any(map(replaced, ("reset", "step", "privileged"))):
        cls.outcomes = default
    if "open_loop" not in vars(cls) and any(map(replaced, ("reset", "step"))):
        cls.open_loop = False
