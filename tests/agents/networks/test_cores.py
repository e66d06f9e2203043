"""The hand-written forward and backward passes against ordinary PyTorch."""

import pytest
import torch

from prefrontal.agents.networks.actor_critic import NetworkConfig, RecurrentNet
from prefrontal.agents.networks.cores import CORES
from tests.agents.helpers import reference_heads

STEPS, INPUTS, OUTPUTS = 7, 3, 4


def made(core: str, *, learned: bool, members=2, hidden=5, dtype=torch.float64) -> RecurrentNet:
    """A net with every parameter drawn, the initial state included."""
    config = NetworkConfig(core=core, hidden_size=hidden, learned_initial_state=learned)
    net = RecurrentNet(INPUTS, OUTPUTS, config, members, dtype)
    for member in range(members):
        net.initialise(member, torch.Generator().manual_seed(member))
    if learned:
        _, _, initial = net.split(net.parameters)
        initial.copy_(torch.randn(initial.shape, generator=torch.Generator().manual_seed(9)))
        net.refresh()
    return net


def recorded(net: RecurrentNet, batch: int, steps: int = STEPS):
    """A tape of random inputs, unrolled, and the inputs ``[T, P, I, B]``."""
    drawn = torch.Generator().manual_seed(5)
    x = torch.randn(steps, net.members, INPUTS, batch, generator=drawn).to(net.dtype)
    tape = net.tape(steps, batch)
    for t in range(steps):
        tape.x_t[t].copy_(x[t])
    net.unroll(tape)
    return tape, x


def loss_of(heads: torch.Tensor) -> torch.Tensor:
    """Something curved that treats every step, read-out and episode differently."""
    weights = torch.arange(heads.numel(), dtype=heads.dtype).cos().view(heads.shape)
    return (weights * heads + 0.3 * heads.square()).sum()


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("core", CORES)
def test_forward_and_backward_agree_with_autograd(core, learned):
    net = made(core, learned=learned)
    tape, x = recorded(net, batch=3)
    flat = net.parameters.clone().requires_grad_()
    wanted = torch.stack([reference_heads(net, flat, x, m)[0] for m in range(2)], dim=1)
    heads = net.attach(tape, net.parameters.clone().requires_grad_())
    torch.testing.assert_close(heads, wanted, rtol=0, atol=1e-12)

    (gradient,) = torch.autograd.grad(loss_of(wanted), flat)
    parameters = net.parameters.clone().requires_grad_()
    (ours,) = torch.autograd.grad(loss_of(net.attach(tape, parameters)), parameters)
    if core == "none":
        assert not net.split(ours)[0][:, :, INPUTS:-1].any()
    assert gradient.abs().max() > 1
    torch.testing.assert_close(ours, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("core", CORES)
def test_a_second_backward_pass_is_the_same_as_the_first(core):
    net = made(core, learned=True)
    tape, _ = recorded(net, batch=3)
    parameters = net.parameters.clone().requires_grad_()
    first, second = (
        torch.autograd.grad(loss_of(net.attach(tape, parameters)), parameters)[0] for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("core", CORES)
def test_a_short_recording_on_a_long_tape(core):
    """Episodes that end early leave the rest of the tape unused: nothing of it may reach the gradient."""
    net = made(core, learned=True)
    tape, x = recorded(net, batch=3)
    tape.used = 4
    for buffer in (
        tape.z[5:],
        tape.gates[4:],
        *[v[4:] for k, v in tape.extra.items() if k == "heads"],
    ):
        buffer.fill_(float("nan"))
    flat = net.parameters.clone().requires_grad_()
    wanted = torch.stack([reference_heads(net, flat, x[:4], m)[0] for m in range(2)], dim=1)
    (gradient,) = torch.autograd.grad(loss_of(wanted), flat)
    parameters = net.parameters.clone().requires_grad_()
    heads = net.attach(tape, parameters)
    assert heads.shape[0] == 4
    (ours,) = torch.autograd.grad(loss_of(heads), parameters)
    torch.testing.assert_close(ours, gradient, rtol=1e-10, atol=1e-10)


def test_lstm_is_that_of_torch():
    net = made("lstm", learned=False, members=1)
    tape, x = recorded(net, batch=3)
    weight = net.split(net.parameters)[0][0]
    lstm = torch.nn.LSTM(INPUTS, 5, dtype=torch.float64)
    lstm.weight_ih_l0.data.copy_(weight[:, :INPUTS])
    lstm.weight_hh_l0.data.copy_(weight[:, INPUTS:-1])
    lstm.bias_ih_l0.data.copy_(weight[:, -1])
    lstm.bias_hh_l0.data.zero_()
    wanted, (_, cell) = lstm(x[:, 0].transpose(1, 2))
    torch.testing.assert_close(tape.hidden()[:, 0].transpose(1, 2), wanted, rtol=0, atol=1e-12)
    hidden, last = net.core.get_state(tape, STEPS)
    torch.testing.assert_close(hidden[0].T, wanted[-1], rtol=0, atol=1e-12)
    torch.testing.assert_close(last[0].T, cell[0], rtol=0, atol=1e-12)


def test_gru_is_that_of_torch():
    net = made("gru", learned=False, members=1)
    tape, x = recorded(net, batch=3)
    r, u, a, b = net.split(net.parameters)[0][0].chunk(4)
    gru = torch.nn.GRU(INPUTS, 5, dtype=torch.float64)
    gru.weight_ih_l0.data.copy_(torch.cat([r, u, a])[:, :INPUTS])
    gru.weight_hh_l0.data.copy_(torch.cat([r, u, b])[:, INPUTS:-1])
    gru.bias_ih_l0.data.copy_(torch.cat([r, u, a])[:, -1])
    gru.bias_hh_l0.data.copy_(torch.cat([torch.zeros(10), b[:, -1]]))
    wanted, _ = gru(x[:, 0].transpose(1, 2))
    torch.testing.assert_close(tape.hidden()[:, 0].transpose(1, 2), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("core", ["gru", "none"])
def test_weights_that_do_not_exist_have_no_effect(core):
    net = made(core, learned=False)
    tape, _ = recorded(net, batch=3)
    before = tape.extra["heads"].clone()
    missing = (1 - net.core.mask()).bool()
    assert missing.any()
    net.split(net.parameters)[0][:, missing] = 7.0
    net.refresh()
    net.unroll(tape)
    torch.testing.assert_close(tape.extra["heads"], before, rtol=0, atol=0)


def test_no_memory_without_recurrence():
    net = made("none", learned=False, members=1)
    tape, _ = recorded(net, batch=3)
    before = tape.extra["heads"].clone()
    tape.x_t[2].add_(1.0)
    net.unroll(tape)
    changed = (tape.extra["heads"] != before).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("hidden", "batch"), [(5, 1), (5, 3), (7, 10), (48, 1), (48, 10), (48, 16)]
)
def test_a_population_rounds_like_its_members_alone(core, hidden, batch):
    """Bit by bit, in sizes that fill no vector register: else learning curves would depend on who is beside whom."""
    together = made(core, learned=True, members=3, hidden=hidden, dtype=torch.float32)
    tape, x = recorded(together, batch, steps=4)
    parameters = together.parameters.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(together.attach(tape, parameters)), parameters)
    weights = torch.arange(tape.extra["heads"].numel(), dtype=torch.float32).cos()
    weights = weights.view(tape.extra["heads"].shape)
    for member in range(3):
        alone = made(core, learned=True, members=1, hidden=hidden, dtype=torch.float32)
        alone.parameters.copy_(together.parameters[member])
        alone.refresh()
        own = alone.tape(4, batch)
        for t in range(4):
            own.x_t[t].copy_(x[t, member])
        alone.unroll(own)
        assert torch.equal(own.extra["heads"][:, 0], tape.extra["heads"][:, member])
        leaf = alone.parameters.clone().requires_grad_()
        heads = alone.attach(own, leaf)
        loss = (weights[:, member : member + 1] * heads + 0.3 * heads.square()).sum()
        assert torch.equal(torch.autograd.grad(loss, leaf)[0][0], gradient[member])


@pytest.mark.parametrize("core", CORES)
def test_a_sequence_cut_in_two_goes_on_from_its_state(core):
    net = made(core, learned=True)
    tape, x = recorded(net, batch=3)
    halves = [net.tape(4, 3), net.tape(3, 3)]
    for t in range(STEPS):
        halves[t // 4].x_t[t % 4].copy_(x[t])
    net.unroll(halves[0])
    net.begin(halves[1], tuple(s.clone() for s in net.core.get_state(halves[0], 4)))
    for t in range(3):
        net.step(halves[1], t)
    joined = torch.cat([half.extra["heads"] for half in halves])
    torch.testing.assert_close(joined, tape.extra["heads"], rtol=0, atol=1e-14)
