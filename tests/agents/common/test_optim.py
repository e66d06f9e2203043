"""Our optimisers against those of PyTorch, member by member."""

import pytest
import torch

from prefrontal.agents.common.optim import Optimiser, clip_by_norm

RULES = {
    "adam": lambda p, rate: torch.optim.Adam([p], lr=rate, eps=1e-5),
    "rmsprop": lambda p, rate: torch.optim.RMSprop([p], lr=rate, eps=1e-5, alpha=0.99),
}


def gradients(steps: int) -> torch.Tensor:
    """Gradients ``[steps, 3, 7]`` whose size differs from step to step and member to member."""
    drawn = torch.Generator().manual_seed(0)
    sizes = torch.logspace(-4, 2, steps, dtype=torch.float64).view(-1, 1, 1)
    scale = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64).view(1, 3, 1)
    return torch.randn(steps, 3, 7, generator=drawn, dtype=torch.float64) * sizes * scale


@pytest.mark.parametrize("rule", RULES)
def test_equals_torch_over_50_steps_with_a_learning_rate_per_member(rule):
    rates = torch.tensor([[1e-2], [3e-3], [0.5]], dtype=torch.float64)
    ours = torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7)
    theirs = [torch.nn.Parameter(row.clone()) for row in ours]
    optimisers = [RULES[rule](p, r.item()) for p, r in zip(theirs, rates, strict=True)]
    optimiser = Optimiser(ours, rule, 1e-5)
    for step, gradient in enumerate(gradients(50)):
        decay = 1 - step / 60
        optimiser.step(ours, gradient, rates * decay)
        for parameter, other, g, rate in zip(theirs, optimisers, gradient, rates, strict=True):
            parameter.grad = g.clone()
            other.param_groups[0]["lr"] = rate.item() * decay
            other.step()
        torch.testing.assert_close(ours, torch.stack([p.data for p in theirs]), rtol=1e-10, atol=0)


@pytest.mark.parametrize("rule", RULES)
def test_one_learning_rate_for_all(rule):
    one, many = torch.ones(3, 7, dtype=torch.float64), torch.ones(3, 7, dtype=torch.float64)
    first, second = Optimiser(one, rule, 1e-5), Optimiser(many, rule, 1e-5)
    for gradient in gradients(5):
        first.step(one, gradient, 0.01)
        second.step(many, gradient, torch.full((3, 1), 0.01, dtype=torch.float64))
    assert torch.equal(one, many)


@pytest.mark.parametrize("rule", RULES)
def test_goes_on_exactly_from_its_state(rule):
    straight = torch.ones(3, 7)
    optimiser = Optimiser(straight, rule, 1e-5)
    steps = gradients(20).float()
    for gradient in steps[:10]:
        optimiser.step(straight, gradient, 0.01)
    copied = straight.clone()
    resumed = Optimiser(copied, rule, 1e-5)
    resumed.set_state({name: value.clone() for name, value in optimiser.state().items()})
    for gradient in steps[10:]:
        optimiser.step(straight, gradient, 0.01)
        resumed.step(copied, gradient, 0.01)
    assert torch.equal(straight, copied)


def test_the_state_has_a_row_for_each_member():
    state = Optimiser(torch.ones(3, 7), "adam", 1e-5).state()
    assert {len(value) for value in state.values()} == {3}


def test_clips_each_member_as_torch_would():
    gradient = gradients(1)[0]
    gradient[0] *= 1e-3 / gradient[0].norm()
    gradient[1] *= 0.5 / gradient[1].norm()
    gradient[2] *= 40 / gradient[2].norm()
    wanted, norms = [], []
    for row in gradient.clone():
        parameter = torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
        parameter.grad = row.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([parameter], 0.5))
        wanted.append(parameter.grad)
    returned = clip_by_norm(gradient, 0.5)
    torch.testing.assert_close(returned, torch.stack(norms))
    torch.testing.assert_close(gradient, torch.stack(wanted))
    assert gradient[2].norm() == pytest.approx(0.5, rel=1e-5)
    assert gradient[0].norm() == pytest.approx(1e-3)
