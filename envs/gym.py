"""The Gymnasium faces of any task: a native vector environment, and a single one made of it."""

from __future__ import annotations

import io
import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from prefrontal.checking import checked
from prefrontal.envs.arguments import check_mask, checked_actions, resolve_task
from prefrontal.envs.inputs import Inputs
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import check_split
from prefrontal.envs.task import LONGEST, Params, Past, State, Task
from prefrontal.envs.told import Told

AUTORESET = {"same_step": AutoresetMode.SAME_STEP, "disabled": AutoresetMode.DISABLED}
DEFAULT_INPUTS = ("action", "reward", "time")
#: Attributes of `TaskVectorEnv` that hold tensors, many of them views of one buffer.
BUFFERS = ("_inputs", "_drawn", "_noise", "_noise_at", "_running", "_over", "_generators")
TENSORS = (*BUFFERS, "_params", "_state", "_past", "_played")


class TaskVectorEnv(Told, VectorEnv[Any, Any, Any]):
    """``num_envs`` episodes of one task, side by side and in lock-step.

    Every episode has ``steps`` steps and ends with ``terminated`` (the horizon is part of the task,
    so its value is 0); ``truncated`` is never true.

    Randomness is drawn on the CPU whatever the device, so the same seed gives the same tasks
    everywhere. Each member has its own generator, seeded by (seed, member): its tasks and the noise
    in them do not depend on who is beside it.

    Copies (pickle, `copy.deepcopy`, another process) go on exactly like the original, in the middle
    of an episode too.

    Args:
        task: A task, a task class, or ``"module:Class"``.
        num_envs: Rows, n. Each of M members owns a block of n / M rows.
        split: Which tasks: ``"train"``, ``"held_out"`` or ``"all"``.
        inputs: What follows the base observation, see `Inputs`; ``()`` for nothing.
        tensors: Return and take torch tensors on ``device`` instead of NumPy arrays. The
            observation is then a view ``[n, I]`` of a feature-major buffer that the next step
            overwrites, and terminated and truncated are shared tensors: copy what you keep.
        device: Where the dynamics run.
        members: Ids of independent members; None for one.
        autoreset: ``"same_step"`` (the last step of an episode returns the first observation of the
            next, and the last in ``info["final_obs"]``) or ``"disabled"`` (call ``reset``); or
            the member of Gymnasium's ``AutoresetMode`` that means the same.
        facts: Whether each step's ``info`` carries the task parameters and the facts of the step,
            evaluated when the action is chosen: ``trial``, ``optimal_action``, ``expected_reward``,
            ``optimal_reward`` and what the task adds. With ``"episode"`` they are left to
            `episode_facts`.
        privileged: Whether ``info["privileged"]`` ``[n, K]`` describes the state in which the next
            action is chosen, at reset and at each step.
        render_mode: None, ``"ansi"`` (a line of text a row) or ``"rgb_array"`` (a picture a row,
            uint8 ``[height, width, 3]``).
        **fields: Fields of the task, where ``task`` is not an instance.

    Attributes:
        task: The task.
        steps: Steps an episode, T.
        inputs: Names of the inputs.
        input_slices: Where in an observation each input lies; ``"observation"`` is the base.
        num_actions: Discrete actions (0 if continuous).
        privileged_size: K.
        reward_range: Smallest and largest reward of a step.
        mirror: Signs of the input ``[I]`` and of the action ``[A]`` under the reflection that
            leaves the task as it is; None if it has no such symmetry.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (the name and form are Gymnasium's)
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }
    #: Whether the arguments `tensors` and `members` are understood: how agents know.
    tensor_face: ClassVar[bool] = True

    def __init__(
        self,
        task: Task | type[Task] | str,
        num_envs: int = 1,
        *,
        split: str = "train",
        inputs: Sequence[str] = DEFAULT_INPUTS,
        tensors: bool = False,
        device: str | torch.device = "cpu",
        members: Sequence[int] | None = None,
        autoreset: str | AutoresetMode = "same_step",
        facts: bool | Literal["episode"] = True,
        privileged: bool = False,
        render_mode: str | None = None,
        **fields: Any,
    ):
        check_split(split)
        num_envs = checked(num_envs, int, "num_envs")
        self.task = resolve_task(task, fields)
        self.__doc__ = self.task.__doc__
        self.num_envs, self.split, self.render_mode = num_envs, split, render_mode
        self.members = (0,) if members is None else tuple(int(m) for m in members)
        if num_envs < 1 or not self.members or num_envs % len(self.members):
            raise ValueError(
                f"num_envs must be a positive multiple of the number of members, "
                f"{len(self.members)}; got {num_envs}"
            )
        mode = AUTORESET.get(autoreset) if isinstance(autoreset, str) else autoreset
        if mode not in AUTORESET.values():
            raise ValueError(f"autoreset must be one of {', '.join(AUTORESET)}; got {autoreset!r}")
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode must be None, ansi or rgb_array; got {render_mode!r}")
        self.metadata = {**self.metadata, "autoreset_mode": mode}
        self.tensors, self.device = tensors, torch.device(device)
        self.steps, self.num_actions = self.task.steps, self.task.num_actions
        if not 1 <= self.steps <= LONGEST:
            raise ValueError(f"an episode must have 1 to {LONGEST:,} steps; got {self.steps:,}")
        self.reward_range = self.task.reward_range
        self._same_step = mode is AutoresetMode.SAME_STEP
        self.facts, self._privileged = facts, privileged

        self._inputs = Inputs(self.task, inputs, num_envs, self.device)
        self.inputs, self.input_slices = self._inputs.names, self._inputs.slices
        self.single_observation_space = self._inputs.space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shape = self.action_space.shape
        self.mirror = self._inputs.mirror
        trial_run = self.task.sample(1, split, torch.Generator().manual_seed(0))
        state, _ = self.task.reset(trial_run)
        self.privileged_size = self.task.privileged(trial_run, state).shape[1]
        self._inputs.check(self.task, trial_run, state)

        # UNIFORMS of one episode, drawn at reset: a member's tasks and its noise [T, noise, B]
        numbers = (self.task.draws or 0) + self.steps * self.task.noise
        self._drawn = torch.empty(len(self.members), numbers * num_envs // len(self.members))
        # NOISE [T, noise, n] of all members
        self._noise = torch.empty(self.steps, self.task.noise, num_envs, device=self.device)
        self._noise_at = self._noise.unbind(0)
        self._running = torch.zeros(num_envs, dtype=torch.bool, device=self.device)
        self._over = torch.ones(num_envs, dtype=torch.bool, device=self.device)
        self._generators = [torch.Generator() for _ in self.members]
        self._seeded = False
        self._t = self.steps  # no episode is running
        self._params: Params = {}
        self._state: State = {}
        # PAST actions [T, n] (or [T, n, A]) and rewards [T, n] of the episode, for pictures
        self._past: tuple[Tensor, Tensor] | None = None
        self._played: list[tuple[State, Tensor]] = []
        if render_mode == "rgb_array":
            kind = torch.int64 if self.num_actions else torch.float32
            actions = torch.zeros(self.steps, *(self._shape or ()), dtype=kind, device=self.device)
            self._past = actions, torch.zeros(self.steps, num_envs, device=self.device)

    # COPIES

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of; views of one buffer are views again in the copy."""
        state, file = dict(vars(self)), io.BytesIO()
        torch.save({name: state.pop(name) for name in TENSORS}, file)
        return {**state, "tensors.pt": file.getvalue()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the copy."""
        file = io.BytesIO(state.pop("tensors.pt"))
        vars(self).update(state | torch.load(file, weights_only=False))

    # RANDOMNESS

    def _seed(self, seed: int) -> None:
        for generator, member in zip(self._generators, self.members, strict=True):
            entropy = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)
            generator.manual_seed(int(entropy[0]))
        self._seeded = True

    def random_state(self) -> dict[str, Tensor]:
        """Return the state of every member's generator, uint8 ``[P, bytes]``.

        All randomness of an episode is drawn at its start: after ``set_random_state`` the next
        ``reset()`` starts the episode that would have come next when the state was taken.
        """
        return {"generators": torch.stack([g.get_state() for g in self._generators])}

    def set_random_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `random_state` returned, and end the running episode.

        Raises:
            ValueError: The state is of another number of members.
        """
        states = state["generators"]
        if len(states) != len(self._generators):
            raise ValueError(
                f"random state must be of {len(self._generators)} members; got {len(states)}"
            )
        for generator, saved in zip(self._generators, states, strict=True):
            generator.set_state(saved.cpu().clone())  # a row of a larger tensor is refused
        self._seeded, self._t = True, self.steps

    def _draw(self) -> Params:
        """Draw the parameters and the noise of one episode, each member from its generator."""
        members, block = len(self.members), self.num_envs // len(self.members)
        parts = []
        for generator, drawn in zip(self._generators, self._drawn, strict=True):
            if self.task.draws is None:
                parts.append(self.task.sample(block, self.split, generator))
            torch.rand(drawn.shape, generator=generator, out=drawn)
        size = (self.task.draws or 0) * block
        noise = self._drawn[:, size:].view(members, self.steps, self.task.noise, block)
        by_member = self._noise.view(self.steps, self.task.noise, members, block)
        by_member.copy_(noise.permute(1, 2, 0, 3))
        if parts:
            params = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        else:
            uniform = self._drawn[:, :size].clone().view(self.num_envs, -1)
            params = self.task.from_uniform(uniform, self.split)
        return {name: value.to(self.device) for name, value in params.items()}

    # EPISODES

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every row.

        Args:
            seed: Determines everything that follows. Any integer, NumPy's included.
            options: ``{"task": {name: array [num_envs, ...]}}`` sets the task parameters by hand,
                for this episode only. The noise is the same as it would be without.
                ``{"reset_mask": array [num_envs]}`` of bool is Gymnasium's, for rows that ended;
                here all rows end together, so it must be true in all.

        Returns:
            Observation ``[n, I]``, and ``info`` with ``task`` (and ``privileged``).

        Raises:
            TypeError: The seed is not an integer.
            ValueError: Unknown options, task parameters that the task does not have, or a
                ``reset_mask`` that leaves rows out.
        """
        seed, options = as_seed(seed), dict(options or {})
        if "reset_mask" in options:
            check_mask(options.pop("reset_mask"), self.num_envs)
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            self._seed(seed if seed is not None else int(self.np_random.integers(2**63)))
        params = self._draw()
        given = task_option(options)
        if given is not None:
            given = self.task.complete(given, params)
            params = {k: v.to(self.device) for k, v in self.task.validate(given).items()}
            rows = len(next(iter(params.values())))
            if rows != self.num_envs:
                raise ValueError(
                    f"options['task'] must describe num_envs = {self.num_envs} tasks; got {rows}"
                )
        return self._begin(params)

    def _begin(self, params: Params) -> tuple[Any, dict[str, Any]]:
        self._params, self._t, self._played = params, 0, []
        self._state, observation = self.task.reset(params)
        self._inputs.start(observation)
        return self._observation(), self._info({})

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every episode by one step.

        Args:
            actions: ``[n]`` integers (``[n, A]`` floats where continuous); a tensor on ``device``
                if ``tensors`` (then not checked, and discrete ones count from 0).

        Returns:
            Observation ``[n, I]``, reward, terminated and truncated ``[n]``, and ``info``: with
            ``facts`` the task parameters and the facts of the step just taken. On the last step
            with ``"same_step"``, the observation and ``info["task"]`` are those of the next
            episode; ``final_obs`` and ``final_info`` hold those of the episode that ended.

        Raises:
            gymnasium.error.ResetNeeded: No episode is running.
            ValueError: Actions of the wrong shape or outside the action space (NumPy only).
        """
        if self._t >= self.steps:
            raise gymnasium.error.ResetNeeded("no episode is running: call reset() first")
        action = actions if self.tensors else checked_actions(self, actions)
        params, state = self._params, self._state
        facts = self.task.facts(params, state, action) if self.facts is True else {}
        if self.facts == "episode":
            self._played.append((state, action))
        state, observation, reward = self.task.step(params, state, action, self._noise_at[self._t])
        if self._past is not None:
            self._past[0][self._t], self._past[1][self._t] = action, reward
        self._t += 1
        self._state = state
        self._inputs.write(self.task, params, state, observation, action, reward)
        if self._t < self.steps:
            obs, info, over = self._observation(), self._info(facts), self._running
        else:
            obs, info = self._end(facts)
            over = self._over
        if self.tensors:
            return obs, reward, over, self._running, info
        rewards = reward.numpy(force=True).astype(np.float64)
        return obs, rewards, _copy(over), _copy(self._running), info

    def _end(self, facts: dict[str, Tensor]) -> tuple[Any, dict[str, Any]]:
        """Return the last observation and info of an episode, or start the next one."""
        if not self._same_step:
            return self._observation(), self._info(facts)
        final_obs: Any = self._observation()
        final_info = self._info(facts)
        mask: Any
        if self.tensors:
            final_obs, mask = final_obs.clone(), self._over
        else:
            rows = np.empty(self.num_envs, dtype=object)
            rows[:] = list(final_obs)
            final_obs, mask = rows, _copy(self._over)
        obs, info = self._begin(self._draw())
        info.update({name: self._out(value) for name, value in facts.items()})
        if self.facts is not True:
            info.pop("task")
        info.update(final_obs=final_obs, final_info=final_info, _final_obs=mask, _final_info=mask)
        return obs, info

    def _info(self, facts: dict[str, Tensor]) -> dict[str, Any]:
        """Collect the task parameters (at reset, or with facts), the facts, and the privileged."""
        info: dict[str, Any] = {}
        if self.facts is True or self._t == 0:
            info["task"] = {name: self._out(value) for name, value in self._params.items()}
            for name, value in facts.items():
                info[name] = self._out(value)
        if self._privileged:
            info["privileged"] = self._out(self.task.privileged(self._params, self._state))
        return info

    def _observation(self) -> Any:
        buffer = self._inputs.batch_major
        return buffer if self.tensors else _copy(buffer)

    def _out(self, value: Tensor) -> Any:
        return value if self.tensors else _copy(value)

    def render(self) -> tuple[Any, ...] | None:
        """Return a line of text (``"ansi"``) or a picture (``"rgb_array"``) a row, or None."""
        if self.render_mode is None:
            return None
        if not self._params:
            raise gymnasium.error.ResetNeeded("nothing to render yet: call reset() first")
        rows = range(self.num_envs)
        if self._past is not None:
            done = [kept[: self._t].numpy(force=True) for kept in self._past]
            pasts = [Past(*(kept[:, row] for kept in done)) for row in rows]
            return tuple(self.task.image(self._params, self._state, *it) for it in enumerate(pasts))
        columns = self._inputs.batch_major.cpu().numpy().round(3)
        return tuple(
            f"{self.task.render(self._params, row)} | step {self._t}/{self.steps} | "
            f"input {columns[row].tolist()}"
            for row in rows
        )


def _copy(value: Tensor) -> np.ndarray:
    """Copy a tensor to a new, contiguous NumPy array."""
    return np.array(value.numpy(force=True), order="C")


def as_seed(seed: Any) -> int | None:
    """Return a seed as a Python int (Gymnasium refuses NumPy's)."""
    if seed is None:
        return None
    try:
        return operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer or None; got {seed!r}") from None


def task_option(options: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return ``options["task"]``, the only option there is."""
    unknown = sorted(set(options or ()) - {"task"})
    if unknown:
        raise ValueError(f"reset options must be 'task' only; got {', '.join(unknown)}")
    given = (options or {}).get("task")
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"options['task'] must map parameter names to arrays; got {given!r}")
    return given
