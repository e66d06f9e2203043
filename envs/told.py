"""Whole episodes of a vector environment at once, where its task can tell what will happen."""

from __future__ import annotations

from typing import Any, Literal

from prefrontal.envs.inputs import Inputs
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, Table
from prefrontal.envs.task import Params, State, Task

_OURS = ("reset", "step", "_observation", "_info")


class Told:
    """Part of `TaskVectorEnv`: `table`, and `played` in place of all steps of an episode."""

    task: Task
    steps: int
    facts: bool | Literal["episode"]
    _privileged: bool
    _params: Params
    _noise: Tensor
    _inputs: Inputs
    _t: int
    _past: Any
    _played: list[tuple[State, Tensor]]
    _told: Outcomes | None = None
    _stepped = False  # whether the task has told too little before

    def table(self) -> Table | None:
        """Return all that can happen in the episode that begins now; `played` ends it.

        None where the task cannot tell (`Task.outcomes`), pictures are wanted, or what an episode
        is made of (`_OURS`) is not the one of `TaskVectorEnv`.

        Raises:
            ValueError: The task tells what cannot be; see `Outcomes.checked`.
        """
        self._told = None
        changed = any(map(self._changed, _OURS))
        if changed or self._stepped or self._t or self._past is not None:
            return None
        told = self.task.outcomes(self._params, self._noise)
        if told is None:
            return None
        if not isinstance(told, Outcomes):
            name = type(self.task).__name__
            raise ValueError(f"{name}.outcomes must return Outcomes or None; got {type(told)}")
        if told.states is None and self._inputs.needs_states(self.task):
            self._stepped = True
            return None
        told = told.checked(self.task, self._noise)
        table = self._inputs.table(self.task, self._params, told)
        self._told = told
        return table

    def _changed(self, name: str) -> bool:
        """Return whether a method is not the one of `TaskVectorEnv`."""
        found = getattr(type(self), name)
        return name in vars(self) or found.__module__ != "prefrontal.envs.gym"

    def played(self, actions: Tensor) -> Tensor | None:
        """End an episode, told by `table`, that was played by these actions ``[T, n]``.

        Returns:
            What a critic may see, ``[T, n, K]``, if it is wanted; facts are `episode_facts`.
        """
        assert self._told is not None
        self._t, told, self._told = self.steps, self._told, None
        if not (self.facts or self._privileged):
            return None
        states = told.visited(self.task, self._params, self._noise, actions)
        if self.facts:
            self._played = list(zip(states, actions, strict=True))
        return told.privileged(self.task, self._params, states) if self._privileged else None

    def episode_facts(self) -> dict[str, Tensor]:
        """Return the facts of all steps so far, ``[t, n]`` each.

        Of episodes that are stepped through they are kept where ``facts="episode"``.
        """
        states, actions = zip(*self._played, strict=True)
        return self.task.episode_facts(self._params, states, torch.stack(actions))
