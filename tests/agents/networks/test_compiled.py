"""The compiled LSTM against the plain one: outputs, states, gradients, choices."""

import pytest
import torch

from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.compiled import CompiledLSTM
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.plain import PlainNet

pytestmark = pytest.mark.skipif(not available(), reason="there is no C++ compiler here")

SIZES = [  # members, batch, inputs, outputs, units
    (1, 16, 5, 3, 48),
    (3, 32, 5, 3, 48),
    (2, 7, 1, 2, 6),
    (1, 33, 4, 12, 17),
    (2, 1, 3, 2, 48),
    (1, 256, 5, 3, 48),
]


def made(kind, members, inputs, outputs, units, **more):
    net = kind(inputs, outputs, NetworkConfig(hidden_size=units), members, **more)
    rows = [net.initial(torch.Generator().manual_seed(m)) for m in range(members)]
    net.set_parameters(torch.stack(rows))
    return net


def play(net, x, target, state=None, used=None):
    """Read-outs, hidden states, last state and gradient for inputs ``[T, P, I, B]``."""
    x, target = x.to(net.parameters.dtype), target.to(net.parameters.dtype)
    tape = net.tape(x.shape[0], x.shape[3])
    net.begin(tape, state)
    for t, inputs in enumerate(x):
        tape.x_t[t].copy_(inputs)
        net.step(tape, t)
    tape.used = used or len(x)
    parameters = net.parameters.clone().requires_grad_()
    loss = (net.attach(tape, parameters) - target[: tape.used]).square().sum()
    (gradient,) = torch.autograd.grad(loss, parameters)
    return tape.heads, tape.hidden(), *net.state(tape, len(x)), gradient


@pytest.mark.parametrize(("members", "batch", "inputs", "outputs", "units"), SIZES)
@pytest.mark.parametrize("used", [11, 4])
def test_equals_the_plain_one(members, batch, inputs, outputs, units, used):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(11, members, inputs, batch, generator=g)
    target = torch.randn(11, members, outputs, batch, generator=g)
    state = tuple(torch.rand(members, batch, units, generator=g) for _ in range(2))
    for start in (None, state):
        ours = play(made(CompiledLSTM, members, inputs, outputs, units), x, target, start, used)
        plain = made(PlainNet, members, inputs, outputs, units, dtype=torch.float64)
        exact = None if start is None else tuple(part.double() for part in start)
        theirs = play(plain, x, target, exact, used)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(
                a.double(), b, rtol=1e-5, atol=1e-6 * max(1.0, float(b.detach().abs().max()))
            )


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(("members", "batch", "inputs", "outputs", "units"), SIZES)
def test_all_steps_in_one_call_equal_single_steps(members, batch, inputs, outputs, units, restarts):
    g = torch.Generator().manual_seed(0)
    net = made(CompiledLSTM, members, inputs, outputs, units)
    state = tuple(torch.rand(members, batch, units, generator=g) for _ in range(2))
    by_step, at_once = net.tape(9, batch), net.tape(9, batch)
    for tape in (by_step, at_once):
        tape.x.copy_(torch.randn(10, members, inputs, batch, generator=g.manual_seed(1)))
        tape.used = 7
        tape.starts = torch.rand(9, members, batch, generator=g) < 0.2 if restarts else None
        net.begin(tape, state)
    for t in range(7):
        if restarts:
            net.restart(by_step, t, by_step.starts[t])
        net.step(by_step, t)
    net.unroll(at_once)
    for name in ("z", "gates", "cell", "heads"):
        assert torch.equal(getattr(by_step, name), getattr(at_once, name)), name
    assert not at_once.heads[7:].any()  # no step beyond those that are used


@pytest.mark.parametrize(("members", "batch", "inputs", "outputs", "units"), SIZES)
def test_a_tape_not_to_learn_from_says_the_same(members, batch, inputs, outputs, units):
    net = made(CompiledLSTM, members, inputs, outputs, units)
    whole, small = net.tape(9, batch), net.tape(9, batch, learn=False)
    for tape in (whole, small):
        tape.x.normal_(generator=torch.Generator().manual_seed(0))
        net.begin(tape)
        net.unroll(tape)
    for name in ("z", "cell", "heads"):
        assert torch.equal(getattr(whole, name), getattr(small, name)), name
    assert small.gates.shape == (4 * units, batch)
    with pytest.raises(ValueError, match="too little to learn from"):
        net.attach(small, net.parameters)


@pytest.mark.parametrize("batch", [1, 5, 16, 40])
def test_a_member_computes_the_same_alone(batch):
    g = torch.Generator().manual_seed(0)
    x, target = (torch.randn(9, 3, size, batch, generator=g) for size in (4, 2))
    net = made(CompiledLSTM, 3, 4, 2, 17)
    together = play(net, x, target)
    for member in range(3):
        one, row = made(CompiledLSTM, 1, 4, 2, 17), slice(member, member + 1)
        one.set_parameters(net.parameters[row])
        alone = play(one, x[:, row], target[:, row])
        for mine, all_of_them, axis in zip(alone, together, (1, 1, 0, 0, 0), strict=True):
            torch.testing.assert_close(
                mine, all_of_them.narrow(axis, member, 1), rtol=1e-5, atol=1e-5
            )


def test_choices_are_the_largest_noisy_logits():
    net = made(CompiledLSTM, 2, 3, 4, 8)
    tape = net.tape(1, 21)
    tape.x_t[0].normal_(generator=torch.Generator().manual_seed(1))
    net.begin(tape)
    net.step(tape, 0)
    noise = torch.randn(2, 5, 3, 21, generator=torch.Generator().manual_seed(2)).unbind(1)[3]
    actions = torch.empty(2, 21, dtype=torch.int64)
    net.act(tape, 0, 3, noise, actions)
    assert torch.equal(actions, (tape.heads[0][:, :3] + noise).argmax(1))
