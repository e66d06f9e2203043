"""The actors and critics of the navigation study: sizes, gradients, packing, and the compiled recurrence."""

import pytest
import torch

from prefrontal.agents.kernels import build as kernel
from prefrontal.agents.networks.packed_lstm import Packing, Recurrence
from prefrontal.agents.td3.networks import ACTORS, CRITICS, PRESETS, Shape, Stack, TD3NetworkConfig

SIZES = {
    "actor1": 201_082,
    "actor2": 201_986,
    "actor3": 199_234,
    "critic1": 202_621,
    "critic2": 202_881,
    "critic3": 199_957,
    "critic4": 202_881,
    "critic5": 199_533,
}
SHAPES = ACTORS | CRITICS
LENGTHS = (5, 4, 4, 2, 1)


def stack_of(name, networks=2, scale=0.05):
    actions = 2 if name.startswith("critic") else 0
    shape = SHAPES[name] if scale == 1 else SHAPES[name].scaled(scale)
    return Stack(shape, 6, actions, 1 if actions else 2, networks)


def unrolled(stack, flat, x, action, packing):
    """The same, written with ordinary differentiable operations."""
    batch, outputs = len(packing.lengths), []
    state = [
        torch.zeros(2, batch, units, dtype=flat.dtype) for units in stack.shape.lstm for _ in "hc"
    ]
    for t, size in enumerate(packing.sizes):
        rows = slice(packing.starts[t], packing.starts[t] + size)
        value, at = x[:, rows], 0
        for index, (layer, w) in enumerate(zip(stack.layers, stack.views(flat), strict=True)):
            if index == stack.shape.action:
                value = torch.cat([value, action[:, rows]], 2)
            if layer.kind == "lstm":
                h, c = (part[:, :size] for part in state[at : at + 2])
                i, f, g, o = (value @ w[0] + h @ w[1] + w[2] + w[3]).chunk(4, 2)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                value = o.sigmoid() * c.tanh()
                state[at : at + 2] = [value, c]
                at += 2
            else:
                value = value @ w[0] + w[1]
                value = value.relu() if layer.kind == "relu" else value
        outputs.append(value)
    return torch.cat(outputs, 1)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones(name):
    assert stack_of(name, scale=1).size == SIZES[name]


def test_presets():
    assert (PRESETS["holistic"].actor, PRESETS["holistic"].critic) == ("actor1", "critic1")
    assert (PRESETS["modular"].actor, PRESETS["modular"].critic) == ("actor3", "critic5")
    with pytest.raises(ValueError, match="scale"):
        TD3NetworkConfig(scale=0.0)


@pytest.mark.parametrize("name", SIZES)
def test_forward_and_gradients_are_those_of_autograd(name):
    stack, packing = stack_of(name), Packing(LENGTHS)
    torch.manual_seed(0)
    flat = (0.3 * torch.randn(2, stack.size, dtype=torch.float64)).requires_grad_()
    x = torch.randn(2, packing.rows, 6, dtype=torch.float64)
    action = torch.randn(2, packing.rows, 2, dtype=torch.float64).requires_grad_()
    given = action if stack.actions else None
    expected = unrolled(stack, flat, x, given, packing)
    weight = torch.randn_like(expected)
    wanted = torch.autograd.grad(
        (expected * weight).sum(), [flat, action] if stack.actions else [flat]
    )
    with torch.no_grad():
        out, tape = stack.forward(flat, x, given, packing)
        gradient, d_action = stack.backward(flat, tape, weight.clone(), action=bool(stack.actions))
        torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(gradient, wanted[0], rtol=1e-9, atol=1e-11)
        if stack.actions:
            torch.testing.assert_close(d_action, wanted[1], rtol=1e-9, atol=1e-11)
            _, tape = stack.forward(flat, x, given, packing)
            none, alone = stack.backward(flat, tape, weight.clone(), weights=False, action=True)
            assert none is None
            torch.testing.assert_close(alone, wanted[1], rtol=1e-9, atol=1e-11)


def test_one_lstm_is_that_of_pytorch():
    stack = Stack(Shape((7,)), 6, 0, 2, 1)
    flat = 0.3 * torch.randn(1, stack.size)
    (into, recurrent, bias, more), (weight, read_out) = stack.views(flat)
    theirs = torch.nn.LSTM(6, 7)
    with torch.no_grad():
        for name, value in {
            "weight_ih_l0": into[0].T, "weight_hh_l0": recurrent[0].T, "bias_ih_l0": bias[0, 0], "bias_hh_l0": more[0, 0],
        }.items():  # fmt: skip
            getattr(theirs, name).copy_(value)
        x = torch.randn(9, 3, 6)
        hidden, _ = theirs(x)
    out, _ = stack.forward(flat, x.reshape(1, 27, 6), None, Packing((9, 9, 9)))
    torch.testing.assert_close(
        out[0].view(9, 3, 2), hidden @ weight[0] + read_out[0], atol=1e-5, rtol=1e-5
    )


def test_steps_one_by_one_are_the_whole_sequence():
    stack, packing = stack_of("actor2"), Packing((4, 4, 4))
    flat, x = 0.3 * torch.randn(2, stack.size), torch.randn(2, 12, 6)
    whole, _ = stack.forward(flat, x, None, packing)
    state, parts = stack.begin(3, flat), []
    for t in range(4):
        out, state = stack.step(flat, x[:, 3 * t : 3 * t + 3], state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing():
    """A sequence among longer and shorter ones gives what it gives alone; gradients of a batch are their sum."""
    stack, packing = stack_of("critic1"), Packing(LENGTHS)
    flat = 0.3 * torch.randn(2, stack.size, dtype=torch.float64)
    x, a = (
        torch.randn(2, 5, 5, 6, dtype=torch.float64),
        torch.randn(2, 5, 5, 2, dtype=torch.float64),
    )

    def packed(v):
        return torch.stack([packing.pack(one) for one in v])

    out, tape = stack.forward(flat, packed(x), packed(a), packing)
    gradient, _ = stack.backward(flat, tape, torch.ones_like(out))
    total = torch.zeros_like(flat)
    for b, length in enumerate(LENGTHS):
        alone, own = stack.forward(flat, x[:, b, :length], a[:, b, :length], Packing((length,)))
        torch.testing.assert_close(out[:, packing.sequence == b], alone)
        total += stack.backward(flat, own, torch.ones_like(alone))[0]
    torch.testing.assert_close(gradient, total)


@pytest.mark.skipif(not kernel.available(), reason="no compiler")
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("units", "lengths"),
    [(220, (9, 8, 8, 7, 3, 1)), (37, (4, 4, 2)), (6, (5, 4, 3, 3, 3, 3, 3, 2, 2)), (16, (1,))],
)
def test_compiled_recurrence_is_that_of_pytorch(units, lengths, given):
    torch.manual_seed(1)
    packing, n = Packing(lengths), 2
    before, weight = torch.randn(n, packing.rows, 4 * units), 0.1 * torch.randn(n, units, 4 * units)
    above = torch.randn(n, packing.rows, units)
    state = tuple(torch.randn(n, len(lengths), units) for _ in "hc") if given else None
    ours = Recurrence(before.clone(), weight, packing, state)
    exact = Recurrence(
        before.double(), weight.double(), packing, state and tuple(s.double() for s in state)
    )
    assert ours._compiled is not None
    assert exact._compiled is None
    torch.testing.assert_close(ours.hidden.double(), exact.hidden, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(
        ours.backward(above).double(), exact.backward(above.double()), atol=5e-6, rtol=1e-4
    )


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


def test_initial_weights():
    stack = stack_of("critic3", networks=1, scale=1)
    (into, recurrent, bias, _), (first, zero), *_ = stack.views(
        stack.initial(torch.Generator().manual_seed(0))
    )
    assert into.abs().max() <= (6 / (8 + 512)) ** 0.5
    assert recurrent.abs().max() == pytest.approx((6 / (128 + 512)) ** 0.5, rel=1e-3)
    assert first.std().item() == pytest.approx(0.1, rel=0.02)
    assert not bias.any()
    assert not zero.any()
