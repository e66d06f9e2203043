"""Apply a model to trials: log-probabilities of the choices, and what the model thought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.behaviour.models.model import Model, State, Theta, Trial
from prefrontal.behaviour.table import Behaviour


@dataclass(frozen=True)
class Trials:
    """Trials as tensors, time first; made once by `tabulate`, for as many runs as a fit needs.

    Attributes:
        behaviour: The trials.
        fields: Its trials, ``[T, S, ...]`` each.
        scored: Which choices count, ``[T, S]``.
        scored2: Likewise of the second stage; None: there is none.
        learned: Which trials are learned from, ``[T, S]``.
        all_learn: Whether all subjects learn from a trial, for each.
        any_first: Whether values of any subject start anew before a trial, for each.
    """

    behaviour: Behaviour
    fields: Trial
    scored: Tensor
    scored2: Tensor | None
    learned: Tensor
    all_learn: list[bool]
    any_first: list[bool]


@dataclass(frozen=True)
class Ran:
    """What a model makes of trials.

    Attributes:
        log_p: Log-probabilities of the choices, nats, ``[..., S, T]``; 0 where not scored.
        log_p2: Likewise of the second stage; None if the model does not explain it.
        latents: By name, before the choice of each trial: the model's state (``values``), its
            ``policy`` ``[..., S, T, K]``, and what it reports of the trial (``rpe``).
    """

    log_p: Tensor
    log_p2: Tensor | None = None
    latents: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """Log likelihood of each subject ``[..., S]``, nats, of all that the model explains."""
        first = self.log_p.sum(-1)
        return first if self.log_p2 is None else first + self.log_p2.sum(-1)


def run(model: Model, theta: Theta, trials: Behaviour | Trials, latents: bool = False) -> Ran:
    """Apply a model to all trials of all subjects.

    Args:
        model: What to apply.
        theta: Its parameters in their ranges, by name, ``[..., S]`` or ``[..., 1]`` each.
        trials: What was done; `tabulate` it first if you run more than once.
        latents: Also return states, policies and what the model reports.

    Raises:
        ValueError: The trials lack what the model needs.
    """
    table = trials if isinstance(trials, Trials) else tabulate(trials, model)
    count = len(table.behaviour)
    theta = {name: value.expand(*value.shape[:-1], count) for name, value in theta.items()}
    lead = max((value.dim() - 1 for value in theta.values()), default=0)
    fields = _with_lead(table.fields, lead)
    states, fields = _states(model, theta, table, fields, lead)
    policy = model.log_policy(theta, states, fields)
    log_p = _taken(policy, fields.choice, table.scored, lead)
    log_p2 = None
    if "choice2" in model.explains:
        assert fields.choice2 is not None
        assert table.scored2 is not None
        second = model.log_policy2(theta, states, fields)
        log_p2 = _taken(second, fields.choice2, table.scored2, lead)
    if not latents:
        return Ran(log_p, log_p2)
    found = {**states, "policy": policy.exp(), **model.latents(theta, states, fields)}
    return Ran(log_p, log_p2, {name: value.movedim(0, lead + 1) for name, value in found.items()})


def _states(
    model: Model, theta: Theta, table: Trials, fields: Trial, lead: int
) -> tuple[State, Trial]:
    """Return the states before every trial ``[T, ..., S, ...]``, and fields as prepared."""
    start = state = model.start(theta, table.behaviour)
    if not start:
        return {}, fields
    fields = fields._replace(prepared=model.prepare(theta, fields))
    steps, seen = _unbound(fields), [state]
    for t, step in enumerate(steps):
        if t and table.any_first[t]:
            state = where(table.fields.first[t], start, state, lead)
            seen[t] = state
        if t + 1 == len(steps):
            break
        after = model.update(theta, state, step)
        state = after if table.all_learn[t] else where(table.learned[t], after, state, lead)
        seen.append(state)
    return {name: torch.stack([one[name] for one in seen]) for name in start}, fields


def where(mask: Tensor, these: State, those: State, lead: int = 0) -> State:
    """Return one of two states for each subject, by a mask ``[S]``."""
    return {
        name: torch.where(mask.view(-1, *[1] * (value.dim() - lead - 1)), these[name], value)
        for name, value in those.items()
    }


def _taken(policy: Tensor, choice: Tensor, scored: Tensor, lead: int) -> Tensor:
    """Return log-probabilities of what was chosen ``[..., S, T]``; 0 where not scored."""
    index = choice.unsqueeze(-1).expand(*policy.shape[:-1], 1)
    taken = policy.gather(-1, index).squeeze(-1)
    mask = scored.view(len(scored), *[1] * lead, -1)
    return torch.where(mask, taken, 0.0).movedim(0, -1)


def change_fields(trial: Trial, change: Any) -> Trial:
    """Return a trial whose tensors are changed, those of its columns too."""
    made = {}
    for name, value in trial._asdict().items():
        if isinstance(value, Tensor):
            made[name] = change(value)
        elif value:
            made[name] = {key: change(one) for key, one in value.items()}
    return trial._replace(**made)


def _with_lead(trial: Trial, lead: int) -> Trial:
    """Return all trials ``[T, 1..., S, ...]``, to broadcast with parameters ``[..., S]``."""
    if not lead:
        return trial
    return change_fields(trial, lambda value: value.view(len(value), *[1] * lead, *value.shape[1:]))


def _unbound(trials: Trial) -> list[Trial]:
    """Return all trials one by one; in one operation a field, for the sake of its gradient."""
    parts: dict[str, Any] = {}
    count = len(trials.choice)
    for name, value in trials._asdict().items():
        if isinstance(value, Tensor):
            parts[name] = value.unbind(0)
        elif value:
            split = {key: one.unbind(0) for key, one in value.items()}
            parts[name] = [{key: one[t] for key, one in split.items()} for t in range(count)]
    return [trials._replace(**{name: one[t] for name, one in parts.items()}) for t in range(count)]


def tabulate(behaviour: Behaviour, model: Model) -> Trials:
    """Return trials as the tensors that a model's runs take.

    Raises:
        ValueError: The trials lack what the model needs.
    """
    for name in (*model.needs, *(one for one in model.explains if one != "choice")):
        if getattr(behaviour, name, None) is None and name not in behaviour.columns:
            raise ValueError(f"{model.name} needs {name}, which these data do not have")
        if name in behaviour.columns and behaviour.columns[name].dtype.kind not in "fiub":
            raise ValueError(f"{model.name} needs {name} as numbers: give its texts codes")
    fields = Trial(
        choice=_tensor(behaviour.choice.clip(0)),
        chosen=_tensor((behaviour.choice[..., None] == np.arange(behaviour.arms)).astype(float)),
        reward=_tensor(np.nan_to_num(behaviour.reward)),
        previous=_tensor(previous(behaviour.choice, behaviour.starts, behaviour.arms)),
        available=_available(behaviour),
        state2=None if behaviour.state2 is None else _tensor(behaviour.state2.clip(0)),
        choice2=None if behaviour.choice2 is None else _tensor(behaviour.choice2.clip(0)),
        first=_tensor(behaviour.starts),
        columns={
            name: _tensor(np.nan_to_num(behaviour.columns[name].astype(np.float64)))
            for name in model.needs
            if name in behaviour.columns
        },
    )
    return Trials(
        behaviour,
        fields,
        _tensor(behaviour.scored),
        None if behaviour.scored2 is None else _tensor(behaviour.scored2),
        _tensor(behaviour.learned),
        list(map(bool, np.all(behaviour.learned, axis=0))),
        list(map(bool, np.any(behaviour.starts, axis=0))),
    )


def _tensor(values: NDArray[Any]) -> Tensor:
    """Return an array ``[S, T, ...]`` as a tensor, time first."""
    return torch.from_numpy(np.ascontiguousarray(values.swapaxes(0, 1)))


def _available(behaviour: Behaviour) -> Tensor | None:
    """Return which arms can be chosen; all where none can, as in padding."""
    if behaviour.available is None:
        return None
    none = ~behaviour.available.any(axis=-1, keepdims=True)
    return _tensor(behaviour.available | none)


def previous(
    choice: NDArray[np.int64], starts: NDArray[np.bool_], arms: int
) -> NDArray[np.float64]:
    """Return one-hot the last choice before every trial since values started anew, ``[S, T, K]``.

    Args:
        choice: Choices ``[S, T]``; -1 where missing: the one before stays the last.
        starts: Before which trials values start anew ``[S, T]``.
        arms: Number of arms K.
    """
    made = np.zeros((*choice.shape, arms))
    last = np.full(len(choice), -1)
    for t in range(choice.shape[1]):
        last = np.where(starts[:, t], -1, last)
        made[:, t] = last[:, None] == np.arange(arms)
        last = np.where(choice[:, t] < 0, last, choice[:, t])
    return made
