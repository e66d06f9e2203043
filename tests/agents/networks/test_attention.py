"""Attention and fast weights: by hand, all steps at once, and what the past means to them."""

import math

import pytest
import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.cores import make_core
from prefrontal.agents.networks.cores.attention import bounded
from prefrontal.checks.cores import core_problems

STEPS, BATCH, INPUTS, UNITS = 9, 4, 3, 5
CORES = {
    "one layer": ("attention", {"memory": 20}),
    "forgetting": ("attention", {"layers": 2, "memory": 4}),
    "alibi": ("attention", {"layers": 2, "heads": 3, "memory": 4, "positions": "alibi"}),
    "fast weights": ("linear-attention", {"layers": 2, "heads": 2}),
}
SKEW = torch.tensor([1.0, -1.0], dtype=torch.float64)  # what a normalised pair of numbers is


def drawn(name, own, inputs=INPUTS, units=UNITS):
    core = make_core(name, inputs, units, own)
    core.initialise(torch.Generator().manual_seed(0), 2.0)
    return core.double()


def given(*size):
    return torch.randn(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def stepped(core, xs, state=None):
    """Features of all steps, and the states before them and at the end."""
    state = core.initial_state(xs.shape[1]) if state is None else state
    features, states = [], [state]
    for x in xs:
        feature, state = core(x, state)
        features.append(feature)
        states.append(state)
    return torch.stack(features), states


def by_hand(name, mixing, **own):
    """A core of two units that mixes by a matrix, and all else as little as possible.

    Inputs (1, -1) and (-1, 1) are normalised to themselves, and the gates' matrices are 0 but for
    the way from y to the new value, so that a gate gives ``(1 - z) x + z tanh(y)``, z = σ(-2).
    """
    core = make_core(name, 2, 2, {"heads": 1, **own}).double()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.zero_()
        core.embed.weight.copy_(torch.eye(2))
        (layer,) = core.layers
        for norm in (layer.before_mixing, layer.before_mlp):
            norm.weight.fill_(math.sqrt(1 + norm.eps))
        layer.project.weight.copy_(torch.tensor(mixing, dtype=torch.float64))
        layer.output.weight.copy_(-torch.eye(2))
        for gate in (layer.first, layer.second):
            gate.bias.fill_(2.0)
            gate.from_y.weight[4:] = torch.eye(2)
    return core


# With q = (ln 3 / √2) (n_0, 0), k = (n_0, 0), v = n of inputs n: at the second step the scores are
# (ln 3 / 2) n_2 n_1 = -ln 3 / 2 of the first and ln 3 / 2 of the second, weights 1/4 and 3/4.
SHARP = math.log(3) / math.sqrt(2)
MIXING = [[SHARP, 0], [0, 0], [1, 0], [0, 0], [1, 0], [0, 1]]


def test_attention_by_hand():
    core = by_hand("attention", MIXING)
    features, states = stepped(core, torch.stack([SKEW, -SKEW]).unsqueeze(1))
    # First step: y = -(1, -1), rectified (0, 1). Gate: .8807970780 (1, -1) + .1192029220 (0,
    # tanh 1) = (.8807970780, -.7900128292). The perceptron adds 0, its gate keeps .8807970780.
    first = [0.7758034926, -0.6958409915]
    # Second: v mixed is 1/4 (1, -1) + 3/4 (-1, 1) = (-.5, .5), y = (.5, 0) rectified.
    # Gate: (-.8807970780 + .1192029220 · .4621171573, .8807970780) = (-.8257113625, .8807970780).
    second = [-0.7272841554, 0.7758034926]
    wanted = torch.tensor([[first], [second]], dtype=torch.float64)
    torch.testing.assert_close(features, wanted, rtol=0, atol=1e-9)
    keys, values, filled = states[-1]
    wanted_values = torch.stack([SKEW, -SKEW])
    torch.testing.assert_close(values[0, 0, -2:], wanted_values)
    torch.testing.assert_close(keys[0, 0, -2:], wanted_values * torch.tensor([1.0, 0.0]))
    assert filled.item() == 2
    assert not values[0, 0, :-2].any()


def test_gates_by_hand():
    """``r = σ(2 y + x)``, ``z = σ(y - x - 2)``, ``h = tanh(3 y + r x / 2)``, x = 1, y = .5."""
    (layer,) = make_core("attention", 1, 1, {"heads": 1}).double().layers
    gate = layer.first
    with torch.no_grad():
        gate.from_y.weight.copy_(torch.tensor([[2.0], [1.0], [3.0]]))
        gate.from_x.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        gate.from_reset.weight.fill_(0.5)
    one = torch.ones(1, dtype=torch.float64)
    # r = σ(2) = .8807970780; z = σ(-2.5) = .0758581800; h = tanh(1.9403985389) = .9595655957
    assert gate(one, 0.5 * one).item() == pytest.approx(0.9969327197, abs=1e-9)


def test_alibi_by_hand():
    """Scores are 0 but for the distance: the step before has the weight e^-m / (1 + e^-m)."""
    mixing = [[0.0, 0.0]] * 4 + [[1.0, 0.0], [0.0, 1.0]]
    xs = torch.stack([SKEW, -SKEW]).unsqueeze(1)
    even = stepped(by_hand("attention", mixing), xs)[0][1, 0]
    near = stepped(by_hand("attention", mixing, positions="alibi"), xs)[0][1, 0]
    # m = 2^-8: v mixed is (-d, d), d = (1 - e^-m) / (1 + e^-m) = .0019531225; y = (d, 0).
    # .8807970780 · .1192029220 tanh(d) = .0002050651 more in the first unit
    assert (near - even).tolist() == pytest.approx([0.0002050651, 0.0], abs=1e-9)


def test_the_delta_rule_by_hand():
    """φ(x) of (0, 0) is (1/2, 1/2), of (1, -1) it is (2, 1/e) / (2 + 1/e) = (.844638, .155362)."""
    # q = 0, k = n, v = n, b = (ln 3, 0): β = σ(ln 3 n_0) is 3/4 after (1, -1), 1/4 after (-1, 1).
    mixing = [[0, 0], [0, 0], [1, 0], [0, 1], [1, 0], [0, 1], [math.log(3), 0]]
    core = by_hand("linear-attention", mixing)
    _, states = stepped(core, torch.stack([SKEW, -SKEW]).unsqueeze(1))
    a, b = 0.8446375965, 0.1553624035
    # S_1 = 3/4 (1, -1) (a, b)ᵀ
    first = torch.tensor(
        [[0.6334781974, 0.1165218026], [-0.6334781974, -0.1165218026]], dtype=torch.float64
    )
    torch.testing.assert_close(states[1][0][0, 0, 0], first, rtol=0, atol=1e-9)
    # S_1 (b, a) = ± 3/4 · 2 a b = ±.1968373906, S_2 = S_1 + 1/4 (-1, 1) 1.1968373906 (b, a)ᵀ.
    change = torch.tensor([b, a], dtype=torch.float64) * 1.1968373906 / 4
    second = first + torch.stack([-change, change])
    torch.testing.assert_close(states[2][0][0, 0, 0], second, rtol=0, atol=1e-8)
    # Read with (1/2, 1/2): the first y is 3/8 (1, -1), then S_2 (1/2, 1/2).
    features = stepped(core, torch.stack([SKEW, -SKEW]).unsqueeze(1))[0]
    keep, new = 0.8807970780, 0.1192029220
    for feature, x, fast in zip(features[:, 0], (SKEW, -SKEW), (first, second), strict=True):
        y = torch.relu(-(fast @ torch.full((2,), 0.5, dtype=torch.float64)))
        wanted = keep * (keep * x + new * torch.tanh(y))
        torch.testing.assert_close(feature, wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", CORES)
def test_all_steps_at_once_are_the_steps_one_by_one(kind):
    core, xs = drawn(*CORES[kind]), given(STEPS, BATCH, INPUTS)
    features, states = stepped(core, xs)
    for t, state in [(0, None), *enumerate(states[:-1])]:
        torch.testing.assert_close(core.sequence(xs[t:], state), features[t:], rtol=0, atol=1e-12)
    shapes = [[part.shape for part in state] for state in states]
    assert shapes == shapes[:1] * (STEPS + 1)


@pytest.mark.parametrize("kind", CORES)
def test_rows_may_be_at_different_steps_of_their_episodes(kind):
    core, xs = drawn(*CORES[kind]), given(STEPS, BATCH, INPUTS)
    middle = [part.clone() for part in stepped(core, xs[:6])[1][-1]]
    for part, fresh in zip(middle, core.initial_state(BATCH), strict=True):
        part[1] = fresh[1]  # a new episode starts in this row
    for features in (stepped(core, xs[6:], tuple(middle))[0], core.sequence(xs[6:], tuple(middle))):
        alone = stepped(core, xs[6:, 1:2])[0]
        torch.testing.assert_close(features[:, 1:2], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", CORES)
def test_gradients_of_all_steps_are_those_of_finite_differences(kind):
    core, xs = drawn(*CORES[kind]), given(6, 2, INPUTS)
    state = tuple(part.detach() for part in stepped(core, given(3, 2, INPUTS))[1][-1])
    names, values = zip(*core.named_parameters(), strict=True)

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.core = core

        def forward(self, xs):
            return self.core.sequence(xs, state)

    def features(*values):
        named = {f"core.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Whole(), named, (xs,))

    leaves = [value.detach().requires_grad_() for value in values]
    assert torch.autograd.gradcheck(features, leaves, fast_mode=True)


def test_the_oldest_step_is_forgotten():
    xs = given(5, 1, INPUTS)
    other = xs.clone()
    other[0] += 1
    for memory, seen in ((4, False), (5, True)):
        core = drawn("attention", {"memory": memory})
        apart = (core.sequence(xs, None)[-1] - core.sequence(other, None)[-1]).abs().max()
        assert bool(apart > 1e-4) is seen


def test_without_positions_the_order_of_the_past_does_not_matter():
    xs = given(STEPS, 1, INPUTS)
    shuffled = xs[[3, 0, 6, 2, 7, 1, 5, 4, 8]]
    for own, same in (({}, True), ({"positions": "alibi"}, False), ({"layers": 2}, False)):
        core = drawn("attention", {"memory": 20, **own})
        apart = (core.sequence(xs, None)[-1] - core.sequence(shuffled, None)[-1]).abs().max()
        assert bool(apart < 1e-12) is same


def test_fast_weights_outlast_a_trial():
    core = drawn("linear-attention", {})
    state = stepped(core, given(3, BATCH, INPUTS))[1][-1]
    assert all(torch.equal(*parts) for parts in zip(core.reset(state), state, strict=True))


@pytest.mark.parametrize("name", ["attention", "linear-attention"])
def test_they_pass_the_checks_of_cores(name):
    assert list(core_problems(type(make_core(name, INPUTS, UNITS)))) == []


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"heads": 0}, "the core attention: heads must be at least 1, not 0"),
        ({"memory": -1}, "memory must be at least 1"),
        ({"positions": "learned"}, "positions must be"),
        ({"width": 3}, "no setting 'width'"),
    ],
)
def test_wrong_settings_are_said(own, message):
    with pytest.raises(ConfigError, match=message):
        make_core("attention", INPUTS, UNITS, own)


def test_embedded_steps_are_bounded():
    """A root mean square of up to 10 is left alone, to the bit; a larger step is shortened."""
    x = torch.tensor([[3.0, -4.0], [0.0, 0.0], [3e4, -4e4], [9.9, 9.9]])
    found = bounded(x)
    assert torch.equal(found[[0, 1, 3]], x[[0, 1, 3]])
    torch.testing.assert_close(found[2], torch.tensor([3.0, -4.0]) * math.sqrt(8.0))
    large = torch.tensor([[30.0, -40.0, 5.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bounded, large)
