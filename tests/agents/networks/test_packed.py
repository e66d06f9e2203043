"""LSTMs over packed sequences: the order of rows, and the equations step by step."""

import pytest
import torch

from prefrontal.agents.networks.packed import Packing, unroll_lstm


def test_gradients_are_numerical_ones():
    torch.manual_seed(0)
    before, recurrent = (
        torch.randn(2, rows, 12, dtype=torch.float64, requires_grad=True) for rows in (11, 3)
    )
    packing = Packing((4, 3, 3, 1))
    assert torch.autograd.gradcheck(lambda b, w: unroll_lstm(b, w, packing), (before, recurrent))


def test_packing():
    packing = Packing((3, 2, 2))
    assert packing.sizes == (3, 3, 1)
    assert packing.starts == (0, 3, 6, 7)
    assert packing.step.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert packing.sequence.tolist() == [0, 1, 2, 0, 1, 2, 0]
    padded = torch.arange(9).view(3, 3)
    rows = packing.pack(padded)
    assert rows.tolist() == [0, 3, 6, 1, 4, 7, 2]
    assert packing.unpack(rows, 4).tolist() == [[0, 1, 2, 0], [3, 4, 0, 0], [6, 7, 0, 0]]
    for lengths in ((1, 2), (2, 0)):
        with pytest.raises(ValueError, match="descending"):
            Packing(lengths)
