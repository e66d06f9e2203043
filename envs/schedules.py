"""Schedules fixed at the start of an episode: hidden states that switch, and how they are split.

Some published tasks have no continuous parameter of which a part could be held out. There a whole
schedule (which state is good first, when it changes, what else happens on each trial) is the task,
and half of all schedules are held out: no episode of one half ever occurs in the other.
"""

from __future__ import annotations

import math

from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.task import check_split


def first_state(uniform: Tensor, events: Tensor, probability: float, split: str) -> Tensor:
    """Choose the state that is good first, so that the halves are disjoint and alike.

    ``all``: either state with probability 1/2. ``train``: state 0 if an even number of trials of
    the episode have the event, else state 1; ``held_out``: the other way round. Every sequence
    of events is as probable in each half as in the whole, and occurs in both, but with another
    state good first. The number is even with probability 1/2 up to |1 - 2 p|^T / 2.

    Args:
        uniform: ``[n]`` uniform numbers in [0, 1).
        events: ``[n, T]`` bool, independent events of probability p, one a trial.
        probability: p.
        split: ``"train"``, ``"held_out"`` or ``"all"``.

    Returns:
        ``[n]`` int64, 0 or 1.

    Raises:
        ValueError: There are too few trials for halves that are alike.
    """
    check_split(split)
    if split == "all":
        return (uniform < 0.5).long()
    trials = events.shape[1]
    if abs(1.0 - 2.0 * probability) ** trials > 0.1:
        raise ValueError(
            f"nothing can be held out: with {trials} trials and events of probability "
            f"{probability:g} the two halves would differ; use split='all' or more trials"
        )
    return (events.sum(dim=1) + int(split == "held_out")) & 1


def switching(first: Tensor, switches: Tensor) -> Tensor:
    """Return the state at every trial, ``[n, T]`` int64.

    Args:
        first: ``[n]`` int64, 0 or 1, the state on trial 0.
        switches: ``[n, T - 1]`` bool, whether it changes before trials 1 .. T - 1.
    """
    return torch.cat([first[:, None], first[:, None] + switches.cumsum(dim=1)], dim=1) & 1


def switches_before(states: Tensor, trial: int) -> tuple[Tensor, Tensor]:
    """Count the changes of a state up to a trial, and the trials since the last one.

    Args:
        states: ``[n, T]``, the state at every trial.
        trial: A trial, from 0.

    Returns:
        ``[n]`` int64 each: how often the state differed from that of the trial before, on trials
        1 .. ``trial``; and the trials since the last such trial (since trial 0 if there is none).
    """
    changed = states[:, 1 : trial + 1] != states[:, :trial]
    when = torch.arange(1, trial + 1, device=states.device)
    last = (changed * when).amax(dim=1) if trial else torch.zeros_like(states[:, 0])
    return changed.sum(dim=1), trial - last


def normal(uniform: Tensor) -> Tensor:
    """Make standard normal numbers of as many uniforms in [0, 1) (Box & Muller 1958).

    Args:
        uniform: ``[..., 2 k]``.

    Returns:
        ``[..., 2 k]``, independent.
    """
    first, second = uniform.unflatten(-1, (2, -1)).unbind(-2)
    radius, angle = (-2.0 * (1.0 - first).log()).sqrt(), 2.0 * math.pi * second
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=-1)


def by_trial(params: Tensor) -> tuple[Tensor, ...]:
    """Turn ``[n, T]`` into T contiguous tensors ``[n]``."""
    return params.T.contiguous().unbind(0)
