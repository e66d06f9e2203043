"""The asymmetric critic: its hand-written gradient, and that it learns."""

import torch

from prefrontal.agents.a2c.critic import AsymmetricCritic

STEPS, MEMBERS, HIDDEN, BATCH, SEEN = 5, 2, 4, 3, 2


def made(units: int = 6, dtype=torch.float64) -> AsymmetricCritic:
    drawn = [torch.Generator().manual_seed(m) for m in range(MEMBERS)]
    return AsymmetricCritic(HIDDEN, SEEN, units, drawn, dtype)


def data(dtype=torch.float64):
    drawn = torch.Generator().manual_seed(3)
    hidden = torch.randn(STEPS, MEMBERS, HIDDEN, BATCH, generator=drawn).to(dtype)
    privileged = torch.randn(STEPS, MEMBERS, BATCH, SEEN, generator=drawn).to(dtype)
    return hidden, privileged


def reference_value(critic, flat, hidden, privileged):
    """``[T, P, B]``, one sample at a time as a formula would have it."""
    inputs = HIDDEN + SEEN + 1
    first = flat[:, : critic.units * inputs].view(MEMBERS, critic.units, inputs)
    second, bias = flat[:, critic.units * inputs : -1], flat[:, -1]
    x = torch.cat([hidden.transpose(2, 3), privileged, torch.ones(STEPS, MEMBERS, BATCH, 1)], dim=3)
    active = torch.einsum("pui,tpbi->tpbu", first, x.to(flat.dtype)).relu()
    return torch.einsum("pu,tpbu->tpb", second, active) + bias.view(1, MEMBERS, 1)


def test_values_agree_with_a_plain_perceptron():
    critic = made()
    hidden, privileged = data()
    value = critic.values(critic.features(hidden, privileged))
    wanted = reference_value(critic, critic.parameters, hidden, privileged)
    torch.testing.assert_close(value.view(MEMBERS, STEPS, BATCH).transpose(0, 1), wanted)


def test_one_step_is_that_of_adam_on_the_mean_squared_error():
    critic = made()
    hidden, privileged = data()
    targets = torch.randn(
        STEPS, MEMBERS, BATCH, generator=torch.Generator().manual_seed(4)
    ).double()
    weight = torch.rand(STEPS, MEMBERS, BATCH, generator=torch.Generator().manual_seed(5)).double()
    rows = [torch.nn.Parameter(row.clone()) for row in critic.parameters]
    before = torch.stack([row.data for row in rows])
    values = reference_value(critic, torch.stack(list(rows)), hidden, privileged)
    error = ((values - targets).square() * weight).mean((0, 2))
    error.sum().backward()
    rates = torch.tensor([[1e-2], [1e-3]], dtype=torch.float64)
    for row, rate in zip(rows, rates, strict=True):
        torch.nn.utils.clip_grad_norm_([row], 0.05)
        torch.optim.Adam([row], lr=rate.item(), eps=1e-5).step()

    flat = [x.transpose(0, 1).flatten(1) for x in (targets, weight)]
    features = critic.features(hidden, privileged)
    returned = critic.fit(features, critic.values(features), *flat, rates, 0.05)
    torch.testing.assert_close(returned, error.detach())
    wanted = torch.stack([row.data for row in rows])
    assert (wanted - before).abs().max() > 1e-3
    torch.testing.assert_close(critic.parameters, wanted, rtol=1e-9, atol=1e-12)


def test_fits_a_known_function():
    """A product of what the agent remembers and what only the critic sees."""
    critic = made(units=32, dtype=torch.float32)
    drawn = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(400):
        hidden = torch.randn(STEPS, MEMBERS, HIDDEN, 20, generator=drawn)
        privileged = torch.randn(STEPS, MEMBERS, 20, SEEN, generator=drawn)
        targets = (hidden[:, :, 0] * privileged[..., 1]).transpose(0, 1).flatten(1)
        features = critic.features(hidden, privileged)
        errors.append(critic.fit(features, critic.values(features), targets, None, 1e-2, 1.0))
    first, last = torch.stack(errors[:10]).mean(0), torch.stack(errors[-50:]).mean(0)
    assert (first > 0.8).all()
    assert (last < 0.1).all()


def test_members_have_their_own_weights():
    critic = made()
    assert not torch.equal(critic.parameters[0], critic.parameters[1])
    alone = AsymmetricCritic(HIDDEN, SEEN, 6, [torch.Generator().manual_seed(1)], torch.float64)
    assert torch.equal(alone.parameters[0], critic.parameters[1])
