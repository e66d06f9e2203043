"""Matrix products of a population, rounded alike for each member wherever it stands and however many there are.

A member's learning curve must not depend on who learns beside it, bit for bit. Libraries round a product otherwise by where
its factors begin in memory, and where it is a single one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["CACHE_LINE", "add_product", "blocks", "product"]

CACHE_LINE = 16  # numbers of 4 bytes


def blocks(
    steps: int, members: int, rows: int, batch: int, kind: dict[str, Any], multiple: int = 32
) -> Tensor:
    """An empty ``[T, P, rows, B]`` whose blocks ``[rows, B]`` start a multiple of 32 numbers apart.

    A vectorised loop rounds the odd numbers at its end otherwise than the rest, and a matrix product may round otherwise
    where its output, or the factors of a sum over episodes, begin elsewhere in a cache line. With gaps between them, each
    member is rounded alike wherever it stands in the population. There are no gaps where batches fill cache lines.

    Args:
        steps: T.
        members: P.
        rows: Rows of a block.
        batch: B.
        kind: Number type and device.
        multiple: Of how many numbers; 16 fill a cache line, which is enough for products.
    """
    size = rows * batch
    if batch == 1 and multiple == CACHE_LINE:
        multiple = 1  # columns with gaps between them are summed in another order
    whole = torch.empty(steps, members, -(-size // multiple) * multiple, **kind)
    return whole[:, :, :size].unflatten(2, (rows, batch))


def product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """``left [P, m, k] @ right [P, k, B]`` into `out`, rounded alike for every P."""
    if out.shape[0] == out.shape[2] == 1:  # a lone column is summed in another order
        pair = torch.bmm(left.expand(2, -1, -1), right.expand(2, -1, -1))
        return out.copy_(pair[:1])
    return torch.bmm(left, right, out=out)


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Adds ``left [P, m, B] @ right [P, B, n]`` to `total`, rounded alike for every P."""
    if left.shape[2] == 1:  # of one episode: a lone product may be rounded before it is added
        total.addcmul_(left, right)
    else:
        torch.baddbmm(total, left, right, out=total)
