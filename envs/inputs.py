"""What an agent sees: the observation, and what meta-learning needs to know of the step before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from gymnasium import spaces

from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, Table, ticking
from prefrontal.envs.task import Mirror, Params, State, Task

Bounds = tuple[Sequence[float], Sequence[float]]

INPUTS = ("action", "reward", "centred_reward", "reward_one_hot", "time", "trial_start")


class Inputs:
    """Writer of the input of an agent, feature-major ``[I, n]``, into one buffer.

    The base observation comes first, then the inputs in the order in which they were asked for:
    ``action`` (one-hot previous action, or the previous action itself where it is continuous),
    ``reward`` (previous reward), ``centred_reward`` (the same, mapped from the task's reward range
    to [-1, 1]), ``reward_one_hot`` (which of the task's ``reward_values`` it was), ``time`` (t / T)
    and ``trial_start`` (1 at the first step of every trial, else 0; see `Task.trial_start`). Before
    the first step all others are 0, so "no action yet" differs from "action 0". After the last step
    ``trial_start`` is 0: there is no trial to come.

    Args:
        task: The task whose steps are shown.
        names: Which inputs.
        num_envs: Rows, n.
        device: Where the buffer lives.

    Raises:
        ValueError: An unknown or repeated name, or one the task cannot provide.
    """

    def __init__(self, task: Task, names: Sequence[str], num_envs: int, device: torch.device):
        self.names = _checked(task, names)
        self._steps = task.steps
        self._continuous = task.num_actions == 0
        self._scale, self._shift = _centring(task)
        bounds: dict[str, Bounds] = {"observation": (task.observation_low, task.observation_high)}
        for name in self.names:
            bounds[name] = _bounds(task, name)
        sizes = {name: len(lows) for name, (lows, _) in bounds.items()}
        ends = np.cumsum(list(sizes.values())).tolist()
        starts = [0, *ends[:-1]]
        self.slices = {name: slice(a, b) for name, a, b in zip(sizes, starts, ends, strict=True)}
        self.space = spaces.Box(
            np.concatenate([lows for lows, _ in bounds.values()]).astype(np.float32),
            np.concatenate([highs for _, highs in bounds.values()]).astype(np.float32),
            dtype=np.float32,
        )
        self.mirror = self._mirror(task, ends[-1])
        # BUFFER [I, n] and one view of it per input, so that a step makes no new views
        self.buffer = torch.zeros(ends[-1], num_envs, device=device)
        self.batch_major = self.buffer.T
        self._observation = self.batch_major[:, self.slices["observation"]]
        views = {name: self.buffer[self.slices[name]] for name in self.names}
        self._action = views.get("action")
        self._reward = views["reward"][0] if "reward" in views else None
        self._centred = views["centred_reward"][0] if "centred_reward" in views else None
        self._one_hot = views.get("reward_one_hot")
        self._time = views.get("time")
        self._trial_start = views["trial_start"][0] if "trial_start" in views else None
        self._actions = torch.arange(task.num_actions, device=device)[:, None]
        self._values = torch.tensor(task.reward_values or (), device=device)[:, None]
        self._offset = torch.full((num_envs,), self._shift, device=device)
        self._shown: Tensor | None = None

    def _mirror(self, task: Task, size: int) -> Mirror | None:
        """Return the signs of the whole input, and of the action, under the task's reflection."""
        if task.mirror is None:
            return None
        observation, action = task.mirror
        signs = np.ones(size)
        signs[self.slices["observation"]] = observation
        if "action" in self.slices:
            signs[self.slices["action"]] = action
        return tuple(signs.tolist()), action

    def start(self, observation: Tensor) -> None:
        """Write the input of step 0: ``observation`` ``[n, D]``, zeros, and that a trial starts."""
        self.buffer.zero_()
        if self._trial_start is not None:
            self._trial_start.fill_(1.0)
        self._observation.copy_(observation)
        self._shown = observation

    def check(self, task: Task, params: Params, state: State) -> None:
        """Raise ValueError if the task does not say in the state of a trial run what is shown."""
        if self._trial_start is not None:
            task.trial_start(params, state)

    def write(
        self,
        task: Task,
        params: Params,
        state: State,
        observation: Tensor,
        action: Tensor,
        reward: Tensor,
    ) -> None:
        """Write the input of a step after the first: its state, and what the step before did."""
        t = state["t"]
        if observation is not self._shown:
            self._observation.copy_(observation)
            self._shown = observation
        if self._action is not None:
            if self._continuous:
                self._action.copy_(action.T)
            else:
                torch.eq(action, self._actions, out=self._action)
        if self._reward is not None:
            self._reward.copy_(reward)
        if self._centred is not None:
            torch.add(self._offset, reward, alpha=self._scale, out=self._centred)
        if self._one_hot is not None:
            torch.eq(reward, self._values, out=self._one_hot)
        if self._time is not None:
            self._time.fill_(t / self._steps)
        if self._trial_start is not None:
            starts = task.trial_start(params, state) if t < self._steps else False
            if isinstance(starts, bool):
                self._trial_start.fill_(starts)
            else:
                self._trial_start.copy_(starts)

    def needs_states(self, task: Task) -> bool:
        """Return whether inputs depend on more of a state than the step it is before."""
        return self._trial_start is not None and type(task).trial_start is not Task.trial_start

    def table(self, task: Task, params: Params, outcomes: Outcomes) -> Table:
        """Return the inputs of all steps of an episode that has been told beforehand.

        Args:
            task: The task.
            params: Of its episodes.
            outcomes: Checked; it has states if they are needed (`needs_states`).
        """
        rewards, observations, states = outcomes[:3]
        inputs = torch.zeros(self._steps, *self.buffer.shape, device=self.buffer.device)
        shown, place = None, self.slices["observation"]
        if observations.dim() == 3:
            inputs[:, place] = observations
        else:
            first = outcomes.start
            if first is None:
                inputs[0, place] = observations[0, 0]
            else:
                columns = torch.arange(len(first), device=first.device)
                inputs[0, place] = observations[0, first, :, columns].T
            shown = observations.contiguous()
        if self._time is not None:
            time = torch.arange(self._steps, dtype=torch.float64) / self._steps
            inputs[:, self.slices["time"]] = time.to(inputs)[:, None, None]
        if self._trial_start is not None:
            row = self.slices["trial_start"].start
            for t, state in enumerate(states or ticking({}, self._steps)):
                inputs[t, row] = task.trial_start(params, state)
            inputs[0, row] = 1.0
        rows = {name: place.start for name, place in self.slices.items()}
        values = (task.reward_values or ()) if self._one_hot is not None else ()
        scaled = self._scale, self._shift
        places = outcomes.following, outcomes.start
        return Table(inputs, rewards, shown, rows, *scaled, tuple(values), *places)


def _checked(task: Task, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as a tuple, or raise ValueError."""
    if isinstance(names, set | frozenset):
        raise ValueError("inputs must be in an order, such as ('action', 'reward'); a set has none")
    names = (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)
    for name in names:
        if name not in INPUTS:
            raise ValueError(f"inputs must be among {', '.join(INPUTS)}; got {name!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"inputs must not repeat; got {', '.join(names)}")
    if "reward_one_hot" in names and task.reward_values is None:
        raise ValueError(
            f"inputs: {type(task).__name__} has no finite set of rewards, so 'reward_one_hot' "
            "is not available; use 'reward' or 'centred_reward'"
        )
    return names


def _bounds(task: Task, name: str) -> Bounds:
    """Return the lowest and highest values of one input, one per feature."""
    if name == "action":
        space = task.action_space
        if isinstance(space, spaces.Box):
            return np.minimum(space.low, 0.0).tolist(), np.maximum(space.high, 0.0).tolist()
        return (0.0,) * task.num_actions, (1.0,) * task.num_actions
    if name == "reward":
        low, high = task.reward_range
        return (min(low, 0.0),), (max(high, 0.0),)
    if name == "reward_one_hot":
        size = len(task.reward_values or ())
        return (0.0,) * size, (1.0,) * size
    if name == "centred_reward":
        scale, shift = _centring(task)
        ends = torch.add(torch.full((2,), shift), torch.tensor(task.reward_range), alpha=scale)
        # Rounding may carry the largest reward a little above 1.
        return (min(-1.0, ends[0].item()),), (max(1.0, ends[1].item()),)
    return (0.0,), (1.0,)


def _centring(task: Task) -> tuple[float, float]:
    """Return factor and summand that map the rewards of a task to [-1, 1]."""
    low, high = task.reward_range
    return 2.0 / (high - low), -(high + low) / (high - low)
