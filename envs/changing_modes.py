"""Modes of the changing-reward task: colours shown, what they pay, and when that changes."""

from __future__ import annotations

import functools
import itertools

from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import check_split

#: Colours with red, green and blue (0 to 255) and the reward that goes with them unless it changes.
#: The first four are the course's ("position in the rainbow"); there are three colours of every
#: reward.
PALETTE: dict[str, tuple[tuple[int, int, int], int]] = {
    "red": ((255, 0, 0), 1),
    "yellow": ((255, 255, 0), 2),
    "green": ((0, 128, 0), 3),
    "blue": ((0, 0, 255), 4),
    "cyan": ((0, 255, 255), 4),
    "black": ((0, 0, 0), 1),
    "white": ((255, 255, 255), 3),
    "magenta": ((255, 0, 255), 2),
    "grey": ((128, 128, 128), 1),
    "purple": ((128, 0, 128), 2),
    "orange": ((255, 128, 0), 3),
    "lime": ((128, 255, 0), 4),
}
COLOURS = tuple(PALETTE)
BEST = 4  # the largest reward
FOUR = 4  # colours of a reward map

#: Colours shown in each mode of a covariate shift; modes 1 and 2 are the course's. Three rewards in
#: each.
SETS = (
    ("red", "yellow", "green"),
    ("red", "green", "blue"),
    ("cyan", "black", "magenta"),
    ("grey", "white", "lime"),
    ("purple", "orange", "blue"),
    ("cyan", "yellow", "orange"),
    ("grey", "purple", "cyan"),
    ("red", "white", "lime"),
    ("black", "green", "lime"),
    ("black", "orange", "magenta"),
)
#: Rewards of four colours in each mode of a concept shift; in mode 1 they are the course's, in mode
#: 24 reversed.
MAPS = tuple(itertools.permutations(range(1, FOUR + 1)))


@functools.cache
def mode_rewards(change: str) -> Tensor:
    """Return what every colour pays in every mode, ``[modes, colours]``; 0: not shown."""
    if change == "covariate":
        table = torch.zeros(len(SETS), len(COLOURS))
        for row, names in enumerate(SETS):
            for name in names:
                table[row, COLOURS.index(name)] = PALETTE[name][1]
        return table
    table = torch.zeros(len(MAPS), len(COLOURS))
    table[:, :FOUR] = torch.tensor(MAPS, dtype=torch.float32)
    return table


@functools.cache
def colour_sets(split: str) -> Tensor:
    """Return the sets of four colours of the episodes of a split, ``[S, 4]`` int64.

    The sets of both halves are disjoint.

    Sets with an even number of colours from odd places in the palette are `train` (255 sets), the
    others `held_out` (240). Every colour, and every pair of colours, occurs in both.
    """
    check_split(split)
    sets = torch.tensor(list(itertools.combinations(range(len(COLOURS)), FOUR)))
    odd = (sets % 2).sum(dim=1) % 2 == 1
    return sets if split == "all" else sets[odd == (split == "held_out")]


@functools.cache
def rank_pairs() -> Tensor:
    """Return pairs of ranks i < j, ``[66, 2]``; the first K (K - 1) / 2 are those of K colours."""
    count = len(COLOURS)
    return torch.tensor([(i, j) for j in range(count) for i in range(j)])


def shown_pairs(rewards: Tensor, draw: Tensor) -> tuple[Tensor, Tensor]:
    """Return the left and the right colour of trials, ``[...]`` int64 each.

    Args:
        rewards: What every colour pays ``[..., colours]``; those that pay nothing are not shown.
        draw: Uniform numbers in [0, 1) ``[...]``: the half says on which side the earlier colour of
            the palette is, the place within the half which pair of the shown colours it is.
    """
    shown = rewards > 0
    place = shown.cumsum(dim=-1)
    pairs = place[..., -1] * (place[..., -1] - 1) // 2
    doubled = 2.0 * draw
    at_right = doubled >= 1.0
    index = torch.minimum(((doubled - at_right.float()) * pairs).long(), pairs - 1)
    ranks = rank_pairs().to(rewards.device)[index] + 1  # [..., 2]
    found = (place.unsqueeze(-2) == ranks.unsqueeze(-1)) & shown.unsqueeze(-2)
    first, second = found.to(torch.uint8).argmax(dim=-1).unbind(-1)
    return torch.where(at_right, second, first), torch.where(at_right, first, second)


def block_lengths(uniform: Tensor, block: int, jitter: int, split: str) -> Tensor:
    """Return the trials of every block, ``[n, B]`` int64.

    They are ``block - jitter`` to ``block + jitter - 1``, all equally probable.

    Held out are lengths of the first block, the first switch of an episode: even in `train`, odd in
    `held_out`.

    Args:
        uniform: Uniform numbers ``[n, B]``.
        block: Mean length (less a half).
        jitter: 0 for blocks of one length (then nothing is held out).
        split: ``"train"``, ``"held_out"`` or ``"all"``.
    """
    if not jitter:
        return torch.full(uniform.shape, block, device=uniform.device)
    lengths = block - jitter + (2 * jitter * uniform).long().clamp_(max=2 * jitter - 1)
    if split != "all":
        even = block - jitter + 2 * (jitter * uniform[:, 0]).long().clamp_(max=jitter - 1)
        lengths[:, 0] = even + (even + int(split == "held_out")) % 2
    return lengths


def drawn_rewards(uniform: Tensor, kind: Tensor, blocks: int, split: str) -> Tensor:
    """Draw the reward maps of episodes whose changes are drawn.

    An episode has four colours and a map of the rewards 1 to 4 on them. Covariate shift: the map
    stays, and a block leaves out one colour, another one than the block before. Concept shift and
    drift: all four are shown, and every block has another map than the block before.

    Args:
        uniform: ``[n, 2 * blocks + 2]`` uniform numbers.
        kind: ``[n]``: 0 covariate, 1 concept, 2 gradual.
        blocks: Blocks B of an episode.
        split: Of the sets of colours.

    Returns:
        What every colour pays in each block and in the one after, ``[n, B + 1, colours]``; 0 where
        it is not shown.
    """
    device = uniform.device
    sets = colour_sets(split).to(device)
    chosen = sets[_index(uniform[:, 0], len(sets))]
    covariate = (kind == 0)[:, None]
    order = _chain(uniform[:, 1 : blocks + 2], len(MAPS))  # [n, B + 1]
    order = torch.where(covariate, order[:, :1], order)
    absent = _chain(uniform[:, blocks + 2 :], FOUR)
    absent = torch.cat([absent, absent[:, -1:]], dim=1)
    left_out = (absent[..., None] == torch.arange(FOUR, device=device)) & covariate[..., None]
    maps = torch.tensor(MAPS, dtype=torch.float32, device=device)[order].masked_fill(left_out, 0.0)
    table = torch.zeros(len(uniform), blocks + 1, len(COLOURS), device=device)
    return table.scatter_(2, chosen[:, None].expand(maps.shape), maps)


def _chain(uniform: Tensor, count: int) -> Tensor:
    """Return numbers below `count`, ``[n, k]``, none of them equal to the one before."""
    first, more = _index(uniform[:, :1], count), 1 + _index(uniform[:, 1:], count - 1)
    return torch.cat([first, more], dim=1).cumsum(dim=1) % count


def _index(uniform: Tensor, count: int) -> Tensor:
    """Return whole numbers below `count`, equally probable, of uniform numbers in [0, 1)."""
    return (uniform * count).long().clamp_(max=count - 1)
