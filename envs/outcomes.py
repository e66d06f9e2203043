"""What every action would show and pay in a batch of episodes, told before they are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from prefrontal.envs.lazy import Tensor, torch

State = dict[str, Any]

FEW = 4  # actions, of which all are tried without having been asked to


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
            observations ``[T, S, D, n]``. If it is the same at every step, the first dimension of
            all three may be 1.
        start: The first places, ``[n]`` int64.
        trace: Makes the states before each step out of the actions taken, ``[T, n]``, where there
            are no `states`; None: the episode is stepped through.
    """

    rewards: Tensor
    observations: Tensor
    states: Sequence[State] | None = None
    seen: Callable[[], Tensor] | None = None
    following: Tensor | None = None
    start: Tensor | None = None
    trace: Callable[[Tensor], Sequence[State]] | None = None

    def checked(self, task: Any, noise: Tensor) -> Outcomes:
        """Return the same as compiled code wants it: float32 and int64, contiguous.

        Args:
            task: What has told it.
            noise: Of all steps, ``[T, K, n]``.

        Raises:
            ValueError: A shape, or a place, that cannot be; names the task.
        """
        name, (steps, _, n) = f"{type(task).__name__}.outcomes", noise.shape
        actions, width = int(task.num_actions), len(task.observation_low)
        if (self.following is None) != (self.start is None):
            raise ValueError(f"{name}: following and start must be given together, or neither")
        where: dict[str, Any] = {"device": noise.device, "dtype": torch.int64}
        places, told, following, start = 0, steps, None, None
        if self.following is not None:
            following = torch.as_tensor(self.following, **where).contiguous()
            start = torch.as_tensor(self.start, **where).contiguous()
            places = following.shape[1] if following.dim() == 3 else 1
            told = 1 if len(following) == 1 else steps
            _require(name, "following", following, (told, places, actions), places)
            _require(name, "start", start, (n,), places)
        where["dtype"] = torch.float32
        rewards = torch.as_tensor(self.rewards, **where).contiguous()
        _require(name, "rewards", rewards, (told, (places or 1) * actions, n))
        shown = torch.as_tensor(self.observations, **where)
        kinds = (places or actions,) if shown.dim() == 4 else ()
        _require(name, "observations", shown, (told, *kinds, width, n))
        if self.states is not None and len(self.states) != steps:
            raise ValueError(f"{name}: states must be {steps}, one a step; got {len(self.states)}")
        return self._replace(rewards=rewards, observations=shown, following=following, start=start)

    def visited(
        self, task: Any, params: dict[str, Tensor], noise: Tensor, actions: Tensor
    ) -> Sequence[State]:
        """Return the states before each step, given the actions ``[T, n]`` taken."""
        if self.states is not None:
            return self.states
        if self.trace is not None:
            return self.trace(actions)
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


class Telling:
    """Part of `Task`: what open-loop tasks tell, whatever their `outcomes` return."""

    def open_outcomes(self, params: dict[str, Tensor], noise: Tensor) -> Outcomes:
        """Return checked outcomes with observations ``[T, D, n]`` and no places.

        Raises:
            ValueError: See `Outcomes.checked`.
        """
        task: Any = self
        told = task.outcomes(params, noise)
        if told is None or told.following is not None or len(told.observations.shape) != 3:
            told = step_by_step(task, params, noise)
        return told.checked(task, noise)


def tried(task: Any, params: dict[str, Tensor], noise: Tensor) -> Outcomes | None:
    """Return `step_by_step`, if the task is an open loop and has few actions; else None."""
    few = task.open_loop and 0 < task.num_actions <= FEW
    return step_by_step(task, params, noise) if few else None


def with_time(features: Tensor, steps: int) -> Tensor:
    """Return features ``[n, K]`` or ``[T, n, K]`` and then the time t / T, ``[T, n, K + 1]``."""
    time = (torch.arange(steps, dtype=torch.float64) / steps).to(features)
    features = features.expand(steps, -1, -1)
    return torch.cat([features, time[:, None, None].expand_as(features[:, :, :1])], 2)


def distrust(cls: Any, default: Any) -> None:
    """Let a class with dynamics of its own tell nothing that was said of its base class's.

    Of `reset`, `step` and `privileged`, and of the methods that they call and `outcomes` does not,
    none may come from a class that is earlier in the order of inheritance than the one that tells.
    A class that has `outcomes` of its own may leave `open_loop` as it is.

    Args:
        cls: A class of tasks that is being made.
        default: Its `outcomes`, if its dynamics are not those that its base class tells of.
    """
    if _replaced(cls, "outcomes", "reset", "step", "privileged"):
        cls.outcomes = default
    if cls.outcomes is default and _replaced(cls, "open_loop", "reset", "step"):
        cls.open_loop = False


def _replaced(cls: Any, tells: str, *names: str) -> bool:
    """Return whether a class defines a method anew, earlier than the class that tells of it."""
    first = next(i for i, base in enumerate(cls.__mro__) if tells in vars(base))

    def anew(name: str) -> bool:
        theirs = (vars(base)[name] for base in cls.__mro__[first:] if name in vars(base))
        if _code(was := next(theirs, None)) is None:
            return False
        earlier = any(name in vars(base) for base in cls.__mro__[:first])
        return earlier and not getattr(was, "__isabstractmethod__", False)

    hooks = set().union(*(_calls(cls, name) for name in names)) - _calls(cls, tells)
    return any(map(anew, (*names, *sorted(hooks))))


def _calls(cls: Any, *names: str) -> set[str]:
    """Return the names that methods use, and the methods of those names, and so on."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        for base in cls.__mro__:
            code = _code(vars(base).get(name))
            used = set() if code is None else set(_used(code))
            left += used - found
            found |= used
            if name in vars(base) and "super" not in used:
                break
    return found


def _code(value: Any) -> CodeType | None:
    """Return the code of a function, a property, or a static or class method."""
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    return getattr(function, "__code__", None)


def _used(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes in a function and those inside it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _used(inner)


def _require(
    name: str, what: str, value: Tensor, shape: tuple[int, ...], places: int | None = None
) -> None:
    """Raise ValueError if a tensor has another shape, or numbers that are no places."""
    if value.shape != shape:
        raise ValueError(f"{name}: {what} must have shape {list(shape)}; got {list(value.shape)}")
    if places is not None and bool(((value < 0) | (value >= places)).any()):
        raise ValueError(f"{name}: {what} must be places, 0 to {places - 1}")
