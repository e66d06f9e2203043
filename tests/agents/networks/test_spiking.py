"""The spiking core against values computed by hand, and its e-prop gradient against traces."""

import math

import pytest
import torch

from prefrontal.agents.networks.cores.spiking import Spiking, spike
from prefrontal.checks.cores import core_problems


def tiny(**own: float) -> Spiking:
    """One unit without adaptation and one with; rows of the matrix are (x, s1, s2, bias)."""
    core = Spiking(1, 2, **own).double()
    core.weight.data = torch.tensor([[1.0, 0.5, -1.0, 0.1], [0.8, 0.2, 0.4, 0.0]]).double()
    return core


def test_two_steps_of_two_ticks_by_hand():
    """With λ = ρ = .5 a tick, β = .5; weights as in `tiny`."""
    half = 0.5 / math.log(2)  # time constant in steps that halves at each of two ticks
    core = tiny(ticks=2, tau_membrane=half, tau_adaptation=half, beta=0.5)
    features, state = core(torch.tensor([[1.0]]).double(), core.initial_state(1))
    # pre 1.1, .8. tick 1: v 1.1 fires, reset .1; .8 does not.
    # tick 2: v .05 + 1.1 = 1.15 fires, .15; .4 + .8 = 1.2 > 1 fires, .2; a 1.
    wanted = [[0.75, 0.5]], [[1.0, 0.5]], [[0.15, 0.2]], [[0.0, 1.0]]
    for part, value in zip((features, *state[:3]), wanted, strict=True):
        torch.testing.assert_close(part, torch.tensor(value).double())
    features, state = core(torch.tensor([[0.9]]).double(), state)
    # pre .9 + .5 - .5 + .1 = 1.0; .72 + .2 + .2 = 1.12.
    # tick 1: v .075 + 1 = 1.075 fires, .075; .1 + 1.12 = 1.22 < 1 + .5 * 1; a .5.
    # tick 2: .0375 + 1 fires, .0375; .61 + 1.12 = 1.73 > 1.25 fires, .73; a 1.25.
    wanted = [[0.9375, 0.625]], [[1.0, 0.5]], [[0.0375, 0.73]], [[0.0, 1.25]]
    for part, value in zip((features, *state[:3]), wanted, strict=True):
        torch.testing.assert_close(part, torch.tensor(value).double())


def test_the_surrogate_gradient():
    excess = torch.tensor([-1.5, -0.75, 0.0, 0.25, 2.0], dtype=torch.float64, requires_grad=True)
    spikes = spike(excess, 0.4)
    assert spikes.tolist() == [0, 0, 0, 1, 1]
    (slope,) = torch.autograd.grad(spikes.sum(), excess)
    torch.testing.assert_close(slope, torch.tensor([0, 0.1, 0.4, 0.3, 0]).double())


def test_the_gradient_without_the_recurrent_path_is_that_of_the_traces():
    """Of Bellec et al. 2020, for the filtered trace of the unit with adaptation."""
    own = {"ticks": 1, "tau_membrane": 2.0, "tau_adaptation": 5.0, "beta": 0.6, "damping": 0.5}
    core, xs = tiny(**own), [1.5, 0.9, -0.3, 2.0, 1.1, 0.4]
    errors = [0.0, 1.0, -0.5, 0.2, 0.7, -1.0]
    state, loss = core.initial_state(1), 0.0
    for x, error in zip(xs, errors, strict=True):
        pre = core.drive(torch.tensor([[x]]).double(), tuple(part.detach() for part in state))
        y, state = core.advance(pre, state)
        loss = loss + error * y[0, 1]
    (ours,) = torch.autograd.grad(loss, core.weight)

    w, keep, rho = core.weight.tolist(), math.exp(-1 / 2), math.exp(-1 / 5)
    s, v, a = [0.0, 0.0], [0.0, 0.0], 0.0
    arriving, adapted, filtered, wanted = ([0.0] * 4 for _ in range(4))
    for x, error in zip(xs, errors, strict=True):
        z = [x, *s, 1.0]
        v = [keep * v[i] + sum(w[i][j] * z[j] for j in range(4)) for i in range(2)]
        excess = [v[0] - 1, v[1] - 1 - 0.6 * a]
        psi = 0.5 * max(0.0, 1 - abs(excess[1]))
        for j in range(4):
            arriving[j] = keep * arriving[j] + z[j]
            trace = psi * (arriving[j] - 0.6 * adapted[j])
            adapted[j] = psi * arriving[j] + (rho - psi * 0.6) * adapted[j]
            filtered[j] = keep * filtered[j] + (1 - keep) * trace
            wanted[j] += error * filtered[j]
        s = [float(excess[i] > 0) for i in range(2)]
        v, a = [v[i] - s[i] for i in range(2)], rho * a + s[1]
    assert sum(map(abs, adapted)) > 0.1
    torch.testing.assert_close(ours[1], torch.tensor(wanted).double())
    assert not ours[0].any()


def test_spikes_reach_other_units_one_step_later_and_carry_a_gradient():
    core, x = tiny(), torch.tensor([[0.7]]).double()
    _, state = core(x, core.initial_state(1))
    (through,) = torch.autograd.grad(core(x, state)[0][0, 0], core.weight)
    assert through[1].any()  # the first unit's trace, through the spikes of the second


def test_adaptation_makes_a_unit_fire_less():
    core, x = tiny(beta=0.6), torch.full((1, 1), 0.6).double()
    core.weight.data[:] = torch.tensor([1.0, 0, 0, 0])
    state = core.initial_state(1)
    for _ in range(30):
        y, state = core(x, state)
    assert y[0, 0] > 2 * y[0, 1] > 0.02


def test_no_unit_or_all_units_may_adapt():
    for adaptive in (0, 1):
        core = tiny(adaptive=adaptive)
        _, (_, _, adaptation, _) = core(torch.ones(3, 1).double(), core.initial_state(3))
        assert adaptation.bool().all() == adaptation.bool().any() == adaptive


def test_the_checker_finds_nothing():
    assert list(core_problems(Spiking)) == []


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"adaptive": 1.2}, "adaptive must be a share between 0 and 1, not 1.2"),
        ({"beta": -1}, "beta must be at least 0, not -1"),
        ({"tau_adaptation": 0}, "tau_adaptation must be above 0, not 0"),
        ({"ticks": 1.5}, "ticks must be a whole number of at least 1, not 1.5"),
    ],
)
def test_wrong_settings_are_refused(own, said):
    with pytest.raises(ValueError, match=said):
        Spiking(1, 2, **own)
