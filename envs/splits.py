"""Disjoint train and held-out halves of common task distributions, with equal statistics.

Every function maps uniform numbers to task parameters by measure-preserving maps, without
rejection, so that the number of random numbers drawn never depends on their values.

Some published tasks have no continuous parameter of which a part could be held out. There a whole
schedule (which state is good first, when it changes, what else happens on each trial) is the task,
and half of all schedules are held out: no episode of one half ever occurs in the other.
"""

from __future__ import annotations

import math

from prefrontal.envs.lazy import Tensor, torch

SPLITS = ("train", "held_out", "all")


def check_split(split: str) -> None:
    """Raise ValueError unless ``split`` is one of `SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")


def thue_morse(count: int) -> list[bool]:
    """Colour ``count`` bands (a power of 2), True for train: band k by the parity of ones in k.

    From 8 bands on, both colours have the same number, sum and sum of squares of band indices.
    """
    return [bin(band).count("1") % 2 == 0 for band in range(count)]


def bands(uniform: Tensor, split: str, count: int = 8) -> Tensor:
    """Map uniforms in [0, 1) to uniforms over one half of interleaved bands of [0, 1).

    Of 8 bands of width 1/8, bands 0, 3, 5, 6 are ``train`` and bands 1, 2, 4, 7 ``held_out``. Both
    halves have mean 1/2 and the same variance as the whole, 1/12; so it is for 16, 32 ... bands.

    Args:
        uniform: Uniform numbers, any shape.
        split: ``"train"``, ``"held_out"`` or ``"all"`` (the numbers as they are).
        count: Number of bands, a power of 2 from 8 on.

    Returns:
        Numbers in [0, 1), same shape.
    """
    check_split(split)
    if split == "all":
        return uniform
    train = split == "train"
    chosen = [band for band, is_train in enumerate(thue_morse(count)) if is_train == train]
    scaled = uniform * len(chosen)
    index = scaled.long().clamp_(max=len(chosen) - 1)
    lower = torch.tensor(chosen, dtype=uniform.dtype, device=uniform.device)[index]
    return (lower + (scaled - index)) / count


def in_train_bands(value: Tensor, count: int = 8) -> Tensor:
    """Say which values in [0, 1] lie in the ``train`` bands of `bands` (bool, same shape)."""
    index = (value * count).long().clamp_(0, count - 1)
    return torch.tensor(thue_morse(count), device=value.device)[index]


def in_train_diamonds(p: Tensor) -> Tensor:
    """Say which pairs ``[n, 2]`` lie on the ``train`` cells of a chequerboard turned by 45 degrees.

    The cells are bands of width 1/4 of the sum p1 + p2, crossed with gap |p1 - p2| below or above
    1/2. The colouring treats the two arms alike (a swap of arms keeps it), and
    (1 - p1, 1 - p2) has the other colour. That map keeps the gap, so both halves have the same
    distribution of gaps; and both have the same mean of p1 + p2 exactly (1), hence of the best arm
    (2/3).
    """
    first, second = p[:, 0] - 0.5, p[:, 1] - 0.5  # exact in floating point, as is their sum
    total, gap = first + second, (first - second).abs()
    cell = (4.0 * total.abs()).floor() + (2.0 * gap).floor()
    return (cell.remainder(2.0) == 0.0) == (total > 0.0)


def in_train_parity(p: Tensor, cells: int = 8) -> Tensor:
    """Say which points ``[n, k]`` lie on the even cells of a ``k``-dimensional chequerboard."""
    index = (p * cells).floor().clamp_(max=cells - 1)
    return index.sum(dim=1).remainder(2.0) == 0.0


def chequerboard(uniform: Tensor, split: str, cells: int = 8) -> Tensor:
    """Map uniforms over the unit cube to one half of it, arms treated alike.

    Two arms use the diamonds of `in_train_diamonds`. More arms use a chequerboard with ``cells``
    cells a side (train: even sum of cell indices); there the mean of the best arm differs between
    the halves by 2 / (cells^k (k + 1)), which is 0.001 for 3 arms and 10^-5 for 5.

    Args:
        uniform: ``[n, k]`` uniform numbers in [0, 1), k >= 2.
        split: ``"train"``, ``"held_out"`` or ``"all"`` (the numbers as they are).
        cells: Even number of cells a side (more than two arms only).

    Returns:
        ``[n, k]`` numbers in [0, 1].
    """
    check_split(split)
    if split == "all":
        return uniform
    train = split == "train"
    if uniform.shape[1] == 2:
        keep = in_train_diamonds(uniform) == train
        return torch.where(keep[:, None], uniform, 1.0 - uniform)
    # Wrong colour: move the last arm to the neighbouring cell of its pair, (0 1) (2 3) ...
    keep = in_train_parity(uniform, cells) == train
    last = uniform[:, -1]
    odd = (last * cells).floor().remainder(2.0)
    moved = last + (1.0 - 2.0 * odd) / cells
    return torch.cat([uniform[:, :-1], torch.where(keep, last, moved)[:, None]], dim=1)


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
