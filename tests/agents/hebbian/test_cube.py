"""Why the cube: with it what synapses keep follows the gradient of the error, without it not."""

import torch

from prefrontal.agents.hebbian.learner import eligibility, fluctuations

UNITS, STEPS, SLOW, SAMPLES = 30, 100, 10.0, 2500


def simulate(recurrent, inputs, start, noise):
    """Return potentials [T + 1, B, N] and the error [B] of a last fifth that should be .98."""
    x = start.expand(noise.shape[1], UNITS)
    potentials, error = [x], 0.0
    for t in range(STEPS):
        drive = x.tanh() @ recurrent + inputs * (t < STEPS // 4) + noise[t]
        x = x + (drive - x) / SLOW
        potentials.append(x)
        if t >= STEPS * 4 // 5:
            error = error + (x[:, 0].tanh() - 0.98).abs() / (STEPS // 5)
    return torch.stack(potentials), error


def test_cubed_fluctuations_follow_the_gradient_and_plain_ones_do_not():
    """Correlations of the mean change with the gradient of an undisturbed trial."""
    chance = torch.Generator().manual_seed(0)
    recurrent = torch.randn(UNITS, UNITS, generator=chance) * 1.5 / UNITS**0.5
    inputs, start = 2 * torch.rand(2, UNITS, generator=chance) - 1
    recurrent.requires_grad_(True)
    _, calm = simulate(recurrent, inputs, start, torch.zeros(STEPS, 1, UNITS))
    (gradient,) = torch.autograd.grad(calm.sum(), recurrent)
    with torch.no_grad():
        noise = 5.0 * (2 * torch.rand(STEPS, SAMPLES, UNITS, generator=chance) - 1)
        noise *= torch.rand(noise.shape, generator=chance) < 0.003
        noise[:4] = 0.0
        potentials, errors = simulate(recurrent, inputs, start, noise)
        surprise = (errors - calm).view(-1, 1, 1)
        rates = potentials[:-1].tanh()
        moved = fluctuations(potentials, 0.05, torch.empty_like(noise))
        kept = {
            "cube": eligibility(rates, moved, 3),
            "plain": eligibility(rates, moved, 1),
            "perturbation": eligibility(rates, noise, 1),
        }
    found = {}
    for name, one in kept.items():
        pair = torch.stack([(one * surprise).mean(0).flatten(), gradient.flatten()])
        found[name] = torch.corrcoef(pair)[0, 1].item()
    assert found["perturbation"] > 0.95
    assert found["cube"] > 0.75
    assert abs(found["plain"]) < 0.4
