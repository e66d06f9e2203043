"""Plain cores against PyTorch's own layers and formulas, and what every core must do."""

import pytest
import torch
from torch import nn

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import CORES, NetworkConfig, register_core
from prefrontal.agents.networks.cores import at_once, make_core
from prefrontal.agents.networks.cores.gated import GRU
from prefrontal.agents.networks.plain import PlainNet
from prefrontal.agents.networks.vectorised import Net, Vectorised

INPUTS, UNITS, BATCH, STEPS = 3, 5, 4, 7


class MinimalGated(nn.Module):
    """A user's core: the minimal gated unit (Zhou et al. 2016), without `initialise`."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gate = nn.Linear(input_size + hidden_size, hidden_size)
        self.candidate = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch):
        return (torch.zeros(batch, self.gate.out_features),)

    def forward(self, x, state):
        (h,) = state
        f = torch.sigmoid(self.gate(torch.cat([x, h], 1)))
        h = torch.lerp(h, torch.tanh(self.candidate(torch.cat([x, f * h], 1))), f)
        return h, (h,)


class Matrix(nn.Module):
    """A state of two shapes, one a matrix, and a learned initial state."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.into = nn.Parameter(torch.randn(hidden_size, input_size) * 0.3)
        self.first = nn.Parameter(torch.randn(hidden_size))

    def initial_state(self, batch):
        units = len(self.first)
        return self.first.expand(batch, units), self.first.new_zeros(batch, units, units)

    def forward(self, x, state):
        h, fast = state
        new = torch.tanh(x @ self.into.T + (fast @ h.unsqueeze(2)).squeeze(2) + 0.5 * h)
        return new, (new, 0.9 * fast + 0.1 * new.unsqueeze(2) * h.unsqueeze(1))


register_core("test-mgu", MinimalGated)
register_core("test-matrix", Matrix)
ALL = list(CORES)
SMOOTH = [name for name in ALL if name != "spiking"]  # whose gradient is a surrogate
#: Settings of a core's own, so that it is small here.
OWN = {
    "rim": {"modules": 5, "active": 2, "key_size": 2, "value_size": 2},
    "rim-workspace": {"modules": 5, "active": 2, "key_size": 2, "value_size": 2, "slots": 2},
}


def unrolled(core, x, state=None):
    state = core.initial_state(x.shape[1]) if state is None else state
    features = []
    for x_t in x:
        feature, state = core(x_t, state)
        features.append(feature)
    return torch.stack(features), state


def drawn(name, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    core = make_core(name, INPUTS, UNITS, OWN.get(name))
    if hasattr(core, "initialise"):
        core.initialise(torch.Generator().manual_seed(seed))
    return core.to(dtype)


def inputs(*size):
    return torch.randn(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def test_lstm_is_that_of_torch():
    core, x = drawn("lstm"), inputs(STEPS, BATCH, INPUTS)
    lstm = nn.LSTM(INPUTS, UNITS, dtype=torch.float64)
    weight = core.weight.data
    lstm.weight_ih_l0.data, lstm.weight_hh_l0.data = weight[:, :INPUTS], weight[:, INPUTS:-1]
    lstm.bias_ih_l0.data, lstm.bias_hh_l0.data = weight[:, -1], torch.zeros(4 * UNITS).double()
    wanted, (hidden, cell) = lstm(x)
    features, state = unrolled(core, x)
    torch.testing.assert_close(features, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, (hidden[0], cell[0]), rtol=0, atol=1e-12)


def test_gru_is_that_of_torch():
    core, x = drawn("gru"), inputs(STEPS, BATCH, INPUTS)
    r, u, a, b = core.weight.data.chunk(4)
    gru = nn.GRU(INPUTS, UNITS, dtype=torch.float64)
    gru.weight_ih_l0.data = torch.cat([r, u, a])[:, :INPUTS]
    gru.weight_hh_l0.data = torch.cat([r, u, b])[:, INPUTS:-1]
    gru.bias_ih_l0.data = torch.cat([r, u, a])[:, -1]
    gru.bias_hh_l0.data = torch.cat([torch.zeros(2 * UNITS).double(), b[:, -1]])
    torch.testing.assert_close(unrolled(core, x)[0], gru(x)[0], rtol=0, atol=1e-12)


def test_rnn_is_that_of_torch():
    core, x = drawn("rnn"), inputs(STEPS, BATCH, INPUTS)
    rnn, weight = nn.RNN(INPUTS, UNITS, dtype=torch.float64), core.weight.data
    rnn.weight_ih_l0.data, rnn.weight_hh_l0.data = weight[:, :INPUTS], weight[:, INPUTS:-1]
    rnn.bias_ih_l0.data, rnn.bias_hh_l0.data = weight[:, -1], torch.zeros(UNITS).double()
    torch.testing.assert_close(unrolled(core, x)[0], rnn(x)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "activation"), [("none", torch.tanh), ("relu", torch.relu)])
def test_controls_have_no_memory(name, activation):
    core, x = drawn(name), inputs(STEPS, BATCH, INPUTS)
    assert core.initial_state(BATCH) == ()
    wanted = activation(x @ core.weight[:, :-1].T + core.weight[:, -1])
    torch.testing.assert_close(unrolled(core, x)[0], wanted)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name):
    core, x = drawn(name), inputs(3, 2, INPUTS)
    names = [key for key, _ in core.named_parameters()]

    class Played(nn.Module):
        def __init__(self):
            super().__init__()
            self.core = core

        def forward(self, x):
            state = tuple(part.double() for part in self.core.initial_state(2))
            return unrolled(self.core, x, state)[0]

    def features(*values):
        named = {f"core.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Played(), named, (x,))

    assert torch.autograd.gradcheck(
        features, [p.detach().requires_grad_() for p in core.parameters()]
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("embedding", [0, 4])
def test_a_population_computes_what_its_members_compute(name, embedding):
    """The mapped network, stepped and unrolled, against a loop over members and steps."""
    own = OWN.get(name, {})
    config = NetworkConfig(core=name, core_kwargs=own, hidden_size=UNITS, embedding_size=embedding)
    net = PlainNet(INPUTS, 2, config, 3, torch.float64)
    net.set_parameters(
        torch.stack([net.initial(torch.Generator().manual_seed(m)) for m in range(3)]).double()
    )
    tape, x = net.tape(STEPS, BATCH), inputs(STEPS, 3, INPUTS, BATCH)
    net.begin(tape)
    for t in range(STEPS):
        tape.x_t[t].copy_(x[t])
        net.step(tape, t)
    weights = torch.arange(tape.heads.numel(), dtype=torch.float64).cos().view(tape.heads.shape)
    parameters = net.parameters.clone().requires_grad_()
    heads = net.attach(tape, parameters)
    torch.testing.assert_close(heads, tape.heads, rtol=0, atol=1e-12)
    (ours,) = torch.autograd.grad((weights * heads + 0.3 * heads.square()).sum(), parameters)
    for member in range(3):
        module = Net(INPUTS, 2, config).double()
        values = Vectorised(module).views(net.parameters[member : member + 1])
        for key, value in module.named_parameters():
            value.data.copy_(values[key][0])
        state, outputs, features = tuple(s.double() for s in module.initial_state(BATCH)), [], []
        for t in range(STEPS):
            output, feature, state = module(x[t, member].T, state)
            outputs.append(output.T)
            features.append(feature.T)
        wanted = torch.stack(outputs)
        torch.testing.assert_close(tape.heads[:, member], wanted, rtol=0, atol=1e-12)
        torch.testing.assert_close(tape.hidden()[:, member], torch.stack(features))
        loss = (weights[:, member] * wanted + 0.3 * wanted.square()).sum()
        grads = torch.autograd.grad(loss, list(module.parameters()))
        torch.testing.assert_close(ours[member], torch.cat([g.flatten() for g in grads]))
        for mine, theirs in zip(net.state(tape, STEPS), state, strict=True):
            torch.testing.assert_close(mine[member], theirs)


@pytest.mark.parametrize("name", ALL)
def test_initial_parameters_depend_on_the_generator_alone(name):
    config = NetworkConfig(core=name, core_kwargs=OWN.get(name, {}), hidden_size=UNITS)
    net = PlainNet(INPUTS, 2, config, 1)
    before = torch.random.get_rng_state()
    one, same, other = (net.initial(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert (one != other).any()
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.abs().max() < 3


def test_a_name_means_one_core():
    with pytest.raises(ValueError, match="a core named 'lstm' already"):
        register_core("lstm", MinimalGated)
    with pytest.raises(ValueError, match="core must be one of lstm, gru"):
        NetworkConfig(core="nothing")


class Hebbian(nn.Module):
    """A core with a parameter without dimensions."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rate, self.into = nn.Parameter(torch.tensor(0.5)), nn.Linear(input_size, hidden_size)

    def initial_state(self, batch):
        return ()

    def forward(self, x, state):
        return self.rate * torch.tanh(self.into(x)), state


class Buffered(Hebbian):
    """A core with a buffer."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_buffer("mask", torch.rand(hidden_size))


def test_a_parameter_may_be_one_number():
    register_core("test-hebbian", Hebbian)
    net = PlainNet(INPUTS, 2, NetworkConfig(core="test-hebbian", hidden_size=UNITS), 2)
    net.set_parameters(torch.stack([net.initial(torch.Generator().manual_seed(m)) for m in (0, 1)]))
    tape = net.tape(3, BATCH)
    net.begin(tape)
    tape.x_t[0].fill_(1.0)
    net.step(tape, 0)
    parameters = net.parameters.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net.attach(tape, parameters).square().sum(), parameters)
    assert gradient.abs().amax(1).min() > 0


def test_a_core_with_buffers_is_refused_in_one_line():
    register_core("test-buffered", Buffered)
    with pytest.raises(ConfigError, match="Buffered keeps buffers"):
        PlainNet(INPUTS, 2, NetworkConfig(core="test-buffered", hidden_size=UNITS), 2)


def test_all_steps_of_a_gru_at_once_are_the_steps():
    core = make_core("gru", INPUTS, UNITS).double()
    core.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        core.weight.mul_(2)
    xs = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    start = (torch.randn(BATCH, UNITS, dtype=torch.float64),)
    for state in (None, start):
        now, steps = state or core.initial_state(BATCH), []
        for x in xs:
            features, now = core(x, now)
            steps.append(features)
        torch.testing.assert_close(core.sequence(xs, state), torch.stack(steps))

    def features(weight):
        return torch.func.functional_call(Sequence(core), {"core.weight": weight}, (xs[:3, :2],))

    assert torch.autograd.gradcheck(features, core.weight.detach().requires_grad_())


class Sequence(nn.Module):
    """`sequence` of a core as a module."""

    def __init__(self, core):
        super().__init__()
        self.core = core

    def forward(self, xs):
        return self.core.sequence(xs, None)


def test_a_core_that_changes_a_step_of_another_is_not_computed_by_the_sequence_of_that():
    class Slow(GRU):
        def advance(self, pre, state):
            h, _ = super().advance(pre, state)
            return 0.5 * h, (0.5 * h,)

    assert at_once(GRU)
    assert not at_once(Slow)
    assert not at_once(nn.Module)
