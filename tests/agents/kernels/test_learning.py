"""The compiled parts of a learner against the same in PyTorch, in float64 and float32."""

import pytest
import torch

from prefrontal.agents.a2c.critic import AsymmetricCritic
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.policies import ActorCriticLoss
from prefrontal.agents.common.returns import deviation, gae, normalise, step_weights
from prefrontal.agents.kernels.build import available
from prefrontal.agents.kernels.learning import (
    ChoicesLoss,
    CompiledOptimiser,
    compiled_gae,
    make_optimiser,
    standardised,
)

pytestmark = pytest.mark.skipif(not available("learning"), reason="there is no C++ compiler here")

EXACT = {torch.float64: {"rtol": 1e-11, "atol": 1e-13}, torch.float32: {"rtol": 2e-5, "atol": 2e-6}}
MEMBERS = 3


@pytest.fixture(params=EXACT, ids=str)
def dtype(request):
    return request.param


@pytest.mark.parametrize("rule", ["adam", "rmsprop"])
@pytest.mark.parametrize("rates", ["one", "members", "parameters"])
@pytest.mark.parametrize("size", [3, 37])
def test_clipped_steps(rule, rates, size, dtype):
    g = torch.Generator().manual_seed(0)
    plain, compiled = (torch.ones(MEMBERS, size, dtype=dtype) for _ in range(2))
    theirs, ours = Optimiser(plain, rule, 1e-5), CompiledOptimiser(compiled, rule, 1e-5)
    sizes = {"members": (MEMBERS, 1), "parameters": (MEMBERS, size)}
    for _ in range(6):
        gradient = torch.randn(MEMBERS, size, generator=g, dtype=torch.float64).to(dtype)
        gradient *= torch.tensor([[0.01], [1.0], [30.0]])  # of which the first is not clipped
        rate = 0.01 if rates == "one" else torch.rand(sizes[rates], generator=g).to(dtype) / 10
        other = gradient.clone()
        torch.testing.assert_close(ours.clip(other, 1.5), theirs.clip(gradient, 1.5))
        torch.testing.assert_close(other, gradient)
        assert 0.05 < gradient.norm(dim=1).max() < 1.6
        theirs.step(plain, gradient, rate)
        ours.step(compiled, other, rate)
    torch.testing.assert_close(compiled, plain, **EXACT[dtype])
    torch.testing.assert_close(ours.state(), theirs.state(), **EXACT[dtype])
    assert (plain - 1).abs().max() > 1e-2


def test_what_is_not_contiguous(dtype):
    g = torch.Generator().manual_seed(0)
    gradient = torch.randn(9, MEMBERS, generator=g).to(dtype)
    plain, compiled = (torch.ones(9, MEMBERS, dtype=dtype).T for _ in range(2))
    theirs, ours = Optimiser(plain, "adam", 1e-5), CompiledOptimiser(compiled, "adam", 1e-5)
    for _ in range(3):
        other, gradient = gradient.clone().T, gradient.clone()
        torch.testing.assert_close(ours.clip(other, 0.5), theirs.clip(gradient.T, 0.5))
        ours.step(compiled, other, 0.1)
        theirs.step(plain, gradient.T, 0.1)
    torch.testing.assert_close(compiled, plain, **EXACT[dtype])


def test_a_norm_that_is_not_a_number(dtype):
    gradient = torch.ones(MEMBERS, 40, dtype=dtype)
    gradient[1, 39] = torch.nan
    norm = CompiledOptimiser(gradient, "adam", 1e-5).clip(gradient, 0.5)
    assert norm.isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("batch", [1, 16, 21, 67])
@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize(("choices", "apart"), [(1, False), (2, True), (5, False)])
def test_the_loss_of_choices_and_its_gradient(batch, clip, uneven, choices, apart, dtype):
    g, steps = torch.Generator().manual_seed(0), 7

    def draw(*more):
        return torch.randn(steps, MEMBERS, *more, batch, generator=g, dtype=torch.float64).to(dtype)

    heads = 3 * draw(choices + 1)
    if choices > 2:
        heads[:, :, 1, ::2] = -1e9  # forbidden
    actions = torch.randint(choices, (steps, MEMBERS, batch), generator=g)
    actions[..., ::2] = 0
    weight, unit = torch.ones((), dtype=dtype), None
    if uneven:
        weight = draw().abs()
        weight = weight / weight.sum((0, 2), keepdim=True)
        unit = torch.tensor([0.3, 2.0, 1.0], dtype=dtype)
    law = heads[:, :, :choices].log_softmax(2)
    old = law.gather(2, actions.unsqueeze(2)).squeeze(2) + 0.2 * draw()
    coef = torch.tensor([0.1, 0.5, 0.0], dtype=dtype)
    given = actions, draw(), draw(), old, weight, coef
    told = ActorCriticLoss(*given, 0.7, clip, unit)

    plain = heads.clone().requires_grad_()
    loss, wanted = told.of_choices(plain[:, :, :choices], plain[:, :, choices])
    nets = [heads[:, :, :choices].clone(), heads[:, :, choices:].clone()] if apart else [heads]
    nets = [torch.cat([each, each[:1]]) for each in nets]  # one step more, which is not learned
    compiled = ChoicesLoss(told, nets)
    found, found_parts = compiled()
    slopes = torch.cat(compiled.slopes, 2)
    assert not slopes[-1].any()
    torch.testing.assert_close(found, loss.detach(), **EXACT[dtype])
    torch.testing.assert_close(found_parts, wanted, **EXACT[dtype])
    (gradient,) = torch.autograd.grad(loss.sum(), plain)
    torch.testing.assert_close(slopes[:-1], gradient, **EXACT[dtype])
    assert gradient.abs().max() > 1e-3


def critics(dtype, units):
    """One critic computed by PyTorch, and one by compiled code."""
    drawn = [torch.Generator().manual_seed(m) for m in range(MEMBERS)]
    plain = AsymmetricCritic(11, 2, units, drawn, dtype)
    plain.optimiser = Optimiser(plain.parameters, "adam", 1e-5)
    drawn = [torch.Generator().manual_seed(m) for m in range(MEMBERS)]
    fast = AsymmetricCritic(11, 2, units, drawn, dtype)
    fast.optimiser = CompiledOptimiser(fast.parameters, "adam", 1e-5)
    return plain, fast


@pytest.mark.parametrize("units", [1, 16, 40])
@pytest.mark.parametrize("batch", [1, 10, 32])
@pytest.mark.parametrize("uneven", [False, True])
def test_passes_of_the_privileged_critic(units, batch, uneven, dtype):
    g = torch.Generator().manual_seed(3)
    hidden = torch.randn(10, MEMBERS, 11, batch, generator=g).to(dtype)
    privileged = torch.randn(10, MEMBERS, batch, 2, generator=g).to(dtype)
    targets = torch.randn(MEMBERS, 10 * batch, generator=g).to(dtype)
    weight = torch.rand(MEMBERS, 10 * batch, generator=g).to(dtype) if uneven else None
    rates = torch.tensor([[1e-2], [1e-3], [3e-2]], dtype=dtype)
    plain, fast = critics(dtype, units)
    before, found = plain.parameters.clone(), []
    for critic in (plain, fast):
        features = critic.features(hidden, privileged)
        values = critic.values(features)
        errors = [critic.fit(features, values, targets, weight, rates, 0.3, 4)]
        values = critic.values(features)
        errors += [critic.fit(features, values, targets, weight, rates, 0.3, 1)]
        found.append((values, *errors, *critic.state().values()))
    torch.testing.assert_close(found[1], found[0], **EXACT[dtype])
    assert (plain.parameters - before).abs().max() > 1e-2


def test_the_fastest_one_is_taken():
    assert type(make_optimiser(torch.ones(2, 3), "adam", 1e-5)) is CompiledOptimiser
    assert type(make_optimiser(torch.ones(2, 3).double(), "adam", 1e-5)) is Optimiser


@pytest.mark.parametrize("steps", [1, 7, 60])
@pytest.mark.parametrize("lambda_", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("axes", [(False, True, False), (True, True, True)])
def test_generalised_advantages(steps, lambda_, axes, dtype):
    g, shape = torch.Generator().manual_seed(0), (steps, MEMBERS, 5)
    rewards, values = (torch.randn(shape, generator=g).to(dtype) for _ in range(2))
    size = [full if there else 1 for there, full in zip(axes, shape, strict=True)]
    discount = torch.rand(size, generator=g).to(dtype)
    values = values.transpose(0, 1).contiguous().transpose(0, 1)
    found = compiled_gae(rewards, discount, values, lambda_)
    torch.testing.assert_close(found, gae(rewards, discount, values, lambda_), **EXACT[dtype])


@pytest.mark.parametrize("uneven", [False, True])
def test_deviations_and_what_is_normalised(uneven, dtype):
    g, shape = torch.Generator().manual_seed(0), (9, MEMBERS, 5)
    x = (3 + torch.randn(shape, generator=g).cumsum(1)).to(dtype)
    mask = (torch.rand(shape, generator=g) < 0.6).to(dtype) if uneven else None
    weight = step_weights(mask, x)
    deviations, normal = standardised(x, weight)
    torch.testing.assert_close(deviations, deviation(x, weight), **EXACT[dtype])
    torch.testing.assert_close(normal, normalise(x, weight), **EXACT[dtype])
    assert normal.std() > 0.5
