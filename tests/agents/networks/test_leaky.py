"""The leaky core against values computed by hand, and its e-prop gradient against RFLO."""

import math

import pytest
import torch

from prefrontal.agents.networks.cores.leaky import Leaky
from prefrontal.checks.cores import core_problems


def tiny(alpha: float = 0.25) -> Leaky:
    """Two units, one input; rows of the matrix are (x, h1, h2, bias)."""
    core = Leaky(1, 2, alpha=alpha).double()
    core.weight.data = torch.tensor([[1.0, 0.5, -1.0, 0.1], [-0.5, 0.2, 0.4, 0.0]]).double()
    return core


def test_two_steps_by_hand():
    core = tiny()
    first, state = core(torch.tensor([[2.0]]).double(), core.initial_state(1))
    h1, h2 = 0.25 * math.tanh(2.1), 0.25 * math.tanh(-1.0)
    torch.testing.assert_close(first, torch.tensor([[h1, h2]]).double())
    second, _ = core(torch.tensor([[-1.0]]).double(), state)
    u1, u2 = -1.0 + 0.5 * h1 - h2 + 0.1, 0.5 + 0.2 * h1 + 0.4 * h2
    wanted = [0.75 * h1 + 0.25 * math.tanh(u1), 0.75 * h2 + 0.25 * math.tanh(u2)]
    torch.testing.assert_close(second, torch.tensor([wanted]).double())


def test_the_gradient_without_the_recurrent_path_is_rflo():
    core, xs = tiny(), torch.tensor([0.7, -1.2, 0.4, 2.0, -0.3]).double()
    errors = torch.tensor([[1.0, -0.5], [0.3, 0.2], [-1.0, 0.0], [0.5, 0.5], [0.1, -2.0]]).double()
    state, loss = core.initial_state(1), 0.0
    for x, error in zip(xs, errors, strict=True):
        pre = core.drive(x.view(1, 1), tuple(part.detach() for part in state))
        h, state = core.advance(pre, state)
        loss = loss + (h * error).sum()
    (ours,) = torch.autograd.grad(loss, core.weight)

    w, h, p, rflo = core.weight.detach(), [0.0, 0.0], [[0.0] * 4, [0.0] * 4], torch.zeros(2, 4)
    for x, error in zip(xs.tolist(), errors.tolist(), strict=True):
        z = [x, *h, 1.0]
        u = [sum(float(w[i, j]) * z[j] for j in range(4)) for i in range(2)]
        for i in range(2):
            slope = 1 - math.tanh(u[i]) ** 2
            p[i] = [0.75 * p[i][j] + 0.25 * slope * z[j] for j in range(4)]
            rflo[i] += error[i] * torch.tensor(p[i])
        h = [0.75 * h[i] + 0.25 * math.tanh(u[i]) for i in range(2)]
    torch.testing.assert_close(ours, rflo.double(), rtol=1e-6, atol=1e-6)


def test_without_a_leak_it_is_the_vanilla_network():
    core, x = tiny(alpha=1.0), torch.tensor([[0.3], [-2.0]]).double()
    h = torch.tensor([[0.1, 0.9], [-0.4, 0.2]]).double()
    wanted = torch.tanh(torch.cat([x, h, torch.ones(2, 1).double()], 1) @ core.weight.T)
    torch.testing.assert_close(core(x, (h,))[0], wanted)


def test_the_checker_finds_nothing():
    assert list(core_problems(Leaky)) == []


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.5])
def test_a_wrong_share_is_refused(alpha):
    with pytest.raises(ValueError, match=f"alpha must be above 0 and at most 1, not {alpha}"):
        Leaky(1, 2, alpha=alpha)
