"""The plastic core against values computed by hand."""

import math

import pytest
import torch
from torch.func import functional_call

from prefrontal.agents.networks.cores.plastic import RULES, Plastic
from prefrontal.checks.cores import core_problems

X = (1.0, 0.5, -2.0)


def tiny(plasticity: str, **own: float) -> Plastic:
    """Two units that see one input; plastic connections of different strength."""
    core = Plastic(1, 2, plasticity=plasticity, **own).double()
    core.weight.data = torch.tensor([[1.0, 0.2, 0.0, 0.0], [-0.5, 0.0, 0.3, 0.1]]).double()
    if plasticity != "none":
        core.alpha.data = torch.tensor([[0.5, -1.0], [2.0, 0.25]]).double()
    if hasattr(core, "modulator"):
        core.modulator.data = torch.tensor([1.5, 0.5, -0.2]).double()
    return core


def by_hand(
    plasticity: str, clip: float, eta: float
) -> tuple[list[list[float]], list[list[float]]]:
    """Features of the steps `X`, and H after them, with plain numbers."""
    weight, alpha = [[0.2, 0.0], [0.0, 0.3]], [[0.5, -1.0], [2.0, 0.25]]
    h, hebb, trace = [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]
    features = []
    for x in X:
        reaching = [1.0 * x, -0.5 * x + 0.1]
        new = [
            math.tanh(
                reaching[i] + sum((weight[i][j] + alpha[i][j] * hebb[i][j]) * h[j] for j in (0, 1))
            )
            for i in (0, 1)
        ]
        gate = math.tanh(1.5 * new[0] + 0.5 * new[1] - 0.2)
        for i in (0, 1):
            for j in (0, 1):
                pairing = new[i] * h[j]
                change = {
                    "fixed": eta * pairing,
                    "modulated": gate * pairing,
                    "retroactive": gate * trace[i][j],
                }[plasticity]
                hebb[i][j] = min(max(hebb[i][j] + change, -clip), clip)
                trace[i][j] = (1 - eta) * trace[i][j] + eta * pairing
        h = new
        features.append(new)
    return features, hebb


@pytest.mark.parametrize("plasticity", ["fixed", "modulated", "retroactive"])
@pytest.mark.parametrize("clip", [0.05, 50.0])
def test_three_steps_by_hand(plasticity, clip):
    core = tiny(plasticity, clip=clip, eta=0.4)
    state, features = core.initial_state(1), []
    for x in X:
        feature, state = core(torch.tensor([[x]]).double(), state)
        features.append(feature[0])
    wanted, hebb = by_hand(plasticity, clip, 0.4)
    torch.testing.assert_close(torch.stack(features), torch.tensor(wanted).double())
    torch.testing.assert_close(state[1][0], torch.tensor(hebb).double())
    assert (state[1].abs() == clip).any() == (clip < 1)


def test_without_plasticity_it_is_the_vanilla_network():
    core, h = tiny("none"), torch.tensor([[0.4, -0.7]]).double()
    (new, state), x = (
        core(torch.tensor([[2.0]]).double(), (h,)),
        torch.tensor([2.0, 0.4, -0.7, 1.0]),
    )
    torch.testing.assert_close(new[0], torch.tanh(core.weight @ x.double()))
    assert len(state) == 1


def test_a_trial_starts_with_the_plastic_weights_alone():
    core, state = tiny("retroactive"), None
    for x in X:
        state = core(torch.tensor([[x]]).double(), state or core.initial_state(1))[1]
    h, hebb, trace = core.reset(state)
    assert not h.any()
    assert not trace.any()
    assert hebb is state[1]
    assert hebb.any()
    assert not core.reset(state)[0].any()
    (h,) = tiny("none").reset((torch.ones(3, 2),))
    assert not h.any()


@pytest.mark.parametrize("plasticity", RULES)
def test_the_gradient_is_that_of_finite_differences(plasticity):
    core = tiny(plasticity, eta=0.4)
    named = dict(core.named_parameters())

    def played(*values):
        state, features = core.initial_state(2), []
        for x in (*X, 0.3):
            inputs = torch.tensor([[x], [-0.4 * x]]).double()
            parameters = dict(zip(named, values, strict=True))
            feature, state = functional_call(core, parameters, (inputs, state))
            features.append(feature)
        return torch.stack(features)

    assert torch.autograd.gradcheck(
        played, tuple(p.detach().requires_grad_() for p in named.values())
    )


@pytest.mark.parametrize("plasticity", RULES)
def test_the_checker_finds_nothing(plasticity):
    class Chosen(Plastic):
        def __init__(self, input_size, hidden_size):
            super().__init__(input_size, hidden_size, plasticity=plasticity)

    assert list(core_problems(Chosen)) == []


def test_initial_values():
    core = Plastic(3, 40, alpha=0.3)
    core.initialise(torch.Generator().manual_seed(0))
    assert 0 <= core.alpha.min() < 0.01
    assert 0.29 < core.alpha.max() <= 0.3
    assert 0.15 < core.modulator.abs().max() <= 40**-0.5
    assert core.modulator.min() < 0


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            {"plasticity": "hebbian"},
            "plasticity must be one of none, fixed, modulated, retroactive",
        ),
        ({"alpha": 0}, "alpha must be above 0, not 0"),
        ({"clip": -1}, "clip must be above 0, not -1"),
    ],
)
def test_wrong_settings_are_refused(own, said):
    with pytest.raises(ValueError, match=said):
        Plastic(1, 2, **own)
