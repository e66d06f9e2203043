"""The equations of the LSTM, once: every other LSTM here is compiled code that is tested against this."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["lstm_cell"]


def lstm_cell(pre: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates).

    ``i, f, o = σ(·)``, ``g = tanh(·)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``.

    Args:
        pre: What reaches the gates, in the order i, f, g, o, ``[..., 4H]``.
        cell: ``c_{t-1}``, ``[..., H]``.

    Returns:
        ``h_t`` and ``c_t``, ``[..., H]`` each.
    """
    i, f, g, o = pre.chunk(4, dim=-1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell
