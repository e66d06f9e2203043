"""The actors and critics of the navigation study: sizes, gradients, steps, initial weights."""

import pytest
import torch

from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.packed import Packing
from prefrontal.agents.td3.compiled import CompiledTape
from prefrontal.agents.td3.config import TD3NetworkConfig
from prefrontal.agents.td3.networks import ACTORS, CRITICS, PlainTape, Shape, Stack, stacks

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


def stack_of(name, scale=0.05):
    actions = 2 if name.startswith("critic") else 0
    shape = SHAPES[name] if scale == 1 else SHAPES[name].scaled(scale)
    return Stack(shape, 6, actions, 1 if actions else 2)


def unrolled(stack, flat, x, action, packing):
    """The same with `torch.nn.LSTM`'s equations, written out sequence by sequence."""
    out = torch.zeros(*x.shape[:2], stack.outputs, dtype=flat.dtype)
    for sequence in range(len(packing.lengths)):
        rows = packing.sequence == sequence
        value = x[:, rows]
        for index, weights in enumerate(stack.views(flat)):
            if index == stack.shape.action:
                value = torch.cat([value, action[:, rows]], 2)
            if len(weights) == 4:
                into, recurrent, bias, more = weights
                h = c = torch.zeros(len(flat), 1, recurrent.shape[1], dtype=flat.dtype)
                states = []
                for t in range(value.shape[1]):
                    gates = value[:, t : t + 1] @ into + h @ recurrent + bias + more
                    i, f, g, o = gates.chunk(4, 2)
                    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                    h = o.sigmoid() * c.tanh()
                    states.append(h)
                value = torch.cat(states, 1)
            else:
                value = value @ weights[0] + weights[1]
                value = value.relu() if index < len(stack.views(flat)) - 1 else value
        out[:, rows] = value
    return out


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones(name):
    assert stack_of(name, scale=1).size == SIZES[name]


def test_settings_choose_the_networks():
    actor, critic = stacks(TD3NetworkConfig("actor2", "critic3", 0.5), 6, 2)
    assert (actor.shape, critic.shape) == (Shape((64, 64)), Shape((64,), (150, 150), 0))
    assert (actor.actions, actor.outputs, critic.actions, critic.outputs) == (0, 2, 2, 1)
    with pytest.raises(ValueError, match="scale"):
        TD3NetworkConfig(scale=0.0)


needs_compiler = pytest.mark.skipif(not available("stack"), reason="there is no C++ compiler here")
TAPES = [
    pytest.param(PlainTape, torch.float64, 1e-10, id="plain"),
    pytest.param(
        lambda stack: CompiledTape(stack.layers),
        torch.float64,
        1e-10,
        id="compiled",
        marks=needs_compiler,
    ),
    pytest.param(
        lambda stack: CompiledTape(stack.layers),
        torch.float32,
        2e-5,
        id="compiled, float32",
        marks=needs_compiler,
    ),
]


def given_to(stack, packing, networks=2):
    """Parameters, observations that networks share, and actions."""
    chance = torch.Generator().manual_seed(0)
    shapes = [(networks, stack.size), (packing.rows, 6), (networks, packing.rows, stack.actions)]
    flat, x, action = (
        torch.randn(*shape, generator=chance, dtype=torch.float64) for shape in shapes
    )
    return 0.3 * flat, x.expand(networks, -1, -1), action if stack.actions else None


@pytest.mark.parametrize(("make", "real", "close"), TAPES)
@pytest.mark.parametrize("name", SIZES)
def test_forward_and_gradients_are_those_written_out(name, make, real, close):
    stack = stack_of(name, 0.13)
    tape = make(stack)
    for lengths in ((1,), (3,) * 17, LENGTHS):  # a tape is used again
        packing = Packing(lengths)
        flat, x, action = given_to(stack, packing)
        leaves = [flat.requires_grad_()]
        if action is not None:
            leaves.append(action.requires_grad_())
        expected = unrolled(stack, flat, x, action, packing)
        weight = torch.randn_like(expected)
        exact = torch.autograd.grad((expected * weight).sum(), leaves)

        few = [value.detach().to(real) for value in leaves]
        acted = few[1] if action is not None else None
        for asked in ([0], [1], [0, 1]) if action is not None else ([0],):
            out = tape.forward(few[0], x.to(real), acted, packing)
            torch.testing.assert_close(out.double(), expected.detach(), atol=close, rtol=close)
            # NaN is seen where nothing is written.
            places = [torch.full_like(few[k], torch.nan) if k in asked else None for k in (0, 1)]
            tape.backward(weight.to(real), *places)
            for k in asked:
                scale = max(1.0, float(exact[k].abs().max()))
                torch.testing.assert_close(
                    places[k].double(), exact[k], atol=close * scale, rtol=close
                )
        alone = tape.forward(few[0], x.to(real), acted, packing, keep=False)
        torch.testing.assert_close(alone.double(), expected.detach(), atol=close, rtol=close)


@needs_compiler
@pytest.mark.parametrize("name", ["actor3", "critic1"])
def test_what_is_no_number_is_seen(name):
    """Neither a ReLU nor the bounds of a sigmoid hide it."""
    stack, packing = stack_of(name), Packing((2, 1))
    flat, x, action = (
        None if value is None else value.float() for value in given_to(stack, packing)
    )
    stack.views(flat)[0][0][0] = torch.nan  # of the LSTM alone
    out = CompiledTape(stack.layers).forward(flat, x, action, packing)
    assert out[0].isnan().all()
    assert out[1].isfinite().all()


def test_what_is_there_decides_which_code_runs(monkeypatch):
    stack = stack_of("actor1")
    for found, kind in ((True, CompiledTape), (False, PlainTape)):
        monkeypatch.setattr(
            "prefrontal.agents.td3.networks.available", lambda name, found=found: found
        )
        assert isinstance(stack.tape(), kind)


def test_one_lstm_is_that_of_pytorch():
    stack = Stack(Shape((7,)), 6, 0, 2)
    flat = 0.3 * torch.randn(1, stack.size)
    (into, recurrent, bias, more), (weight, read_out) = stack.views(flat)
    theirs = torch.nn.LSTM(6, 7)
    with torch.no_grad():
        for name, value in {
            "weight_ih_l0": into[0].T,
            "weight_hh_l0": recurrent[0].T,
            "bias_ih_l0": bias[0, 0],
            "bias_hh_l0": more[0, 0],
        }.items():
            getattr(theirs, name).copy_(value)
        x = torch.randn(9, 3, 6)
        hidden, _ = theirs(x)
    out = stack.forward(flat, x.reshape(1, 27, 6), None, Packing((9, 9, 9)))
    torch.testing.assert_close(
        out[0].view(9, 3, 2), hidden @ weight[0] + read_out[0], atol=1e-5, rtol=1e-5
    )


def test_steps_one_by_one_are_the_whole_sequence():
    stack, packing = stack_of("actor2"), Packing((4, 4, 4))
    flat, x = 0.3 * torch.randn(2, stack.size), torch.randn(2, 12, 6)
    whole = stack.forward(flat, x, None, packing)
    state, parts = stack.begin(3, flat), []
    for t in range(4):
        out, state = stack.step(flat, x[:, 3 * t : 3 * t + 3], state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing():
    """A sequence among others gives what it gives alone; gradients add up."""
    stack, packing = stack_of("critic1"), Packing(LENGTHS)
    flat, x, a = given_to(stack, packing)
    tape = PlainTape(stack)
    out = tape.forward(flat, x, a, packing)
    gradient, total = torch.zeros_like(flat), torch.zeros_like(flat)
    tape.backward(torch.ones_like(out), gradient, None)
    for b in range(len(LENGTHS)):
        rows = packing.sequence == b
        alone = tape.forward(flat, x[:, rows], a[:, rows], Packing((LENGTHS[b],)))
        torch.testing.assert_close(out[:, rows], alone)
        own = torch.zeros_like(flat)
        tape.backward(torch.ones_like(alone), own, None)
        total += own
    torch.testing.assert_close(gradient, total)


def test_initial_weights():
    stack = stack_of("critic3", scale=1)
    (into, recurrent, bias, _), (first, zero), *_ = stack.views(
        stack.initial(torch.Generator().manual_seed(0))
    )
    assert into.abs().max() <= (6 / (8 + 512)) ** 0.5
    assert recurrent.abs().max() == pytest.approx((6 / (128 + 512)) ** 0.5, rel=1e-3)
    assert first.std().item() == pytest.approx(0.1, rel=0.02)
    assert not bias.any()
    assert not zero.any()
