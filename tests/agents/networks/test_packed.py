"""LSTMs over packed sequences: the order of rows, and compiled code against the equations."""

import pytest
import torch

from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.packed import (
    Packing,
    compiled_lstm,
    reference_lstm,
    unroll_lstm,
)

needs_compiler = pytest.mark.skipif(not available(), reason="there is no C++ compiler here")
SHAPES = [
    (220, (9, 8, 8, 7, 3, 1)),
    (37, (4, 4, 2)),
    (6, (5, 4, 3, 3, 3, 3, 3, 2, 2)),
    (16, (1,)),
    (64, (3,) * 13),
]


def inputs(units, lengths, networks=2):
    chance = torch.Generator().manual_seed(1)
    shapes = [(sum(lengths), 4 * units), (units, 4 * units), (sum(lengths), units)]
    before, recurrent, above = (
        torch.randn(networks, *shape, generator=chance, dtype=torch.float64) for shape in shapes
    )
    return before.requires_grad_(), (0.1 * recurrent).requires_grad_(), above


@needs_compiler
@pytest.mark.parametrize(("real", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize(("units", "lengths"), SHAPES)
def test_compiled_code_computes_the_equations(units, lengths, real, close):
    before, recurrent, above = inputs(units, lengths)
    packing = Packing(lengths)
    exact = reference_lstm(before, recurrent, packing)
    ours = compiled_lstm(before.to(real), recurrent.to(real), packing)
    assert ours.dtype == real
    torch.testing.assert_close(ours.double(), exact, atol=close, rtol=close)
    gradients = [
        torch.autograd.grad(
            (hidden.double() * above).sum(), [before, recurrent], materialize_grads=True
        )
        for hidden in (ours, exact)
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=close * max(1.0, float(b.abs().max())), rtol=close)


@pytest.mark.parametrize(
    "unroll", [reference_lstm, pytest.param(compiled_lstm, marks=needs_compiler)]
)
def test_gradients_are_numerical_ones(unroll):
    before, recurrent, _ = inputs(3, (4, 3, 3, 1))
    packing = Packing((4, 3, 3, 1))
    assert torch.autograd.gradcheck(lambda b, w: unroll(b, w, packing), (before, recurrent))


@needs_compiler
def test_weights_that_are_fixed_get_no_gradient():
    before, recurrent, _ = inputs(6, (3, 2))
    out = compiled_lstm(before, recurrent.detach(), Packing((3, 2)))
    assert out.grad_fn.apply(torch.ones_like(out))[1] is None


def test_what_is_given_decides_which_code_runs(monkeypatch):
    ran = []
    for name in ("compiled_lstm", "reference_lstm"):
        monkeypatch.setattr(
            f"prefrontal.agents.networks.packed.{name}", lambda *given, name=name: ran.append(name)
        )
    for found in (True, False):
        monkeypatch.setattr(
            "prefrontal.agents.networks.packed.available", lambda found=found: found
        )
        for real in (torch.float32, torch.float64):
            unroll_lstm(torch.zeros(1, 1, 4, dtype=real), torch.zeros(1, 1, 4, dtype=real), None)
    assert ran == ["compiled_lstm"] + ["reference_lstm"] * 3


def test_packing():
    packing = Packing((3, 2, 2))
    assert packing.sizes == (3, 3, 1)
    assert packing.starts == (0, 3, 6, 7)
    assert packing.step.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert packing.sequence.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert packing.before.tolist() == [0, 1, 2, 3]
    padded = torch.arange(9).view(3, 3)
    rows = packing.pack(padded)
    assert rows.tolist() == [0, 3, 6, 1, 4, 7, 2]
    assert packing.unpack(rows, 4).tolist() == [[0, 1, 2, 0], [3, 4, 0, 0], [6, 7, 0, 0]]
    for lengths in ((1, 2), (2, 0)):
        with pytest.raises(ValueError, match="descending"):
            Packing(lengths)
