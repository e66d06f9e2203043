"""Hebbian learning: dynamics, eligibility and changes by hand, gradients, exact resumption."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.hebbian.config import BIASES, HebbianConfig, RateNetworkConfig
from prefrontal.agents.hebbian.learner import (
    change,
    eligibility,
    events,
    fluctuations,
    make_learner,
    trial_types,
)
from prefrontal.agents.hebbian.network import Networks, biased, initial_weights
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import train
from prefrontal.envs.gym import TaskVectorEnv
from tests.agents.hebbian.answers import ANSWERS, EAGER, SMALL, Answers, job


def played(weights, start, outside, targets):
    """Play `Answers`; return the networks, rewards [T, rows], and what was seen [T, rows]."""
    members, rows = start.shape[:2]
    envs = TaskVectorEnv(Answers(), members * rows, inputs=(), tensors=True, autoreset="disabled")
    seen, _ = envs.reset(seed=0, options={"task": {"target": targets}})
    networks = Networks(SMALL, 1, members, rows, 9)
    rewards = networks.play(envs, seen, weights, start, outside)
    return networks, rewards


def drawn(members, rows, seed=0):
    """Random weights [P, 15, 14], potentials at the start, and perturbations [T, P, B, N]."""
    chance = torch.Generator().manual_seed(seed)
    weights = initial_weights(SMALL, 1, range(members), seed).view(members, 15, 14)
    start = biased(torch.rand(members, rows, 14, generator=chance) - 0.5)
    outside = torch.randn(9, members, rows, 14, generator=chance)
    return weights, start, outside


def test_the_dynamics_are_those_of_the_equations():
    weights, start, outside = drawn(2, 3)
    targets = [0.5, -0.5, 0.5, -0.5, -0.5, 0.5]
    networks, rewards = played(weights, start, biased(outside.clone()).unbind(0), targets)
    for row, target in enumerate(targets):
        m, b = divmod(row, 3)
        w, x = weights[m].double().numpy(), start[m, b].double().numpy()
        for t in range(9):
            u = target if t < 4 else 0.0
            r, xi = np.tanh(x), outside[t, m, b].double().numpy()
            total = [sum(w[j, i] * r[j] for j in range(14)) + w[14, i] * u for i in range(14)]
            x = x + (-x + np.array(total) + xi) / 3.0
            for unit, value in BIASES.items():
                x[unit] = value
            np.testing.assert_allclose(networks.potential[t + 1, m, b], x, atol=1e-5)
            error = abs(np.tanh(x[0]) - target) / 3 if t >= 6 else 0.0
            assert rewards[t, row].item() == pytest.approx(-error, abs=1e-6)


@pytest.mark.parametrize("exponent", [1, 3])
def test_eligibility_by_hand(exponent):
    chance = torch.Generator().manual_seed(1)
    potential = torch.randn(8, 2, 3, generator=chance, dtype=torch.float64)
    rates = potential.tanh()
    moved = fluctuations(potential, 0.05, torch.empty(7, 2, 3, dtype=torch.float64))
    kept = eligibility(rates[:-1], moved, exponent)
    for m in range(2):
        mean, expected = potential[0, m].clone(), torch.zeros(3, 3, dtype=torch.float64)
        for t in range(1, 8):
            difference = potential[t, m] - mean
            mean = 0.05 * mean + 0.95 * potential[t, m]
            if t > 3:  # what happens in the first three steps does not count
                for j in range(3):
                    for i in range(3):
                        expected[j, i] += (rates[t - 1, m, j] * difference[i]) ** exponent
        torch.testing.assert_close(kept[m], expected)


def test_change_by_hand():
    kept = torch.tensor([[[2.0, -30.0]], [[4.0, 0.5]]])
    config = HebbianConfig(learning_rate=0.1, largest_change=0.2)
    found = change(kept, torch.tensor([0.5, 1.0]), torch.tensor([-0.4, 0.3]), config)
    # -.1 .5 -.4 = .02 and -.1 1 .3 = -.03
    torch.testing.assert_close(found, torch.tensor([[[0.04, -0.2]], [[-0.12, -0.015]]]))


def test_events_are_independent_and_as_frequent_as_asked_for():
    chance = torch.Generator().manual_seed(0)
    counts, total = torch.zeros(20), 4000
    for _ in range(total):
        at = events(20, 0.15, chance)
        assert (at.diff() > 0).all()
        assert (at < 20).all()
        counts[at] += 1
    expected, spread = total * 0.15, (total * 0.15 * 0.85) ** 0.5
    assert ((counts - expected).abs() < 4 * spread).all()
    assert abs(counts.sum() - 20 * expected) < 4 * spread * 20**0.5
    assert events(5, 1.0, chance).tolist() == [0, 1, 2, 3, 4]


def test_perturbations_reach_units_late_enough_and_none_that_is_constant():
    learner = make_learner(job(replace(EAGER, probability=0.5, amplitude=2.0)), range(2))
    learner._perturb()
    given = learner._outside[:, :, 0]
    constant = list(BIASES)
    assert (given[..., constant] == torch.tensor(list(BIASES.values()))).all()
    free = given[..., [n for n in range(14) if n not in constant]]
    assert (free[:4] == 0).all()
    assert 0.3 < (free[4:] != 0).float().mean() < 0.7
    assert free.abs().max() <= 2
    assert free.min() < -1 < 1 < free.max()


def test_node_perturbation_follows_the_gradient():
    """The mean over perturbations of (E - E0) e is σ² dE/dW, up to the error of sampling."""
    count, size = 40_000, 0.02
    weights, start, _ = drawn(1, 1, seed=5)
    chance = torch.Generator().manual_seed(6)
    noise = (2 * torch.rand(9, 1, count, 14, generator=chance) - 1) * size
    noise[..., list(BIASES)] = 0.0
    flat = [0.5] * count
    networks, rewards = played(
        weights, start.expand(1, count, 14), biased(noise.clone()).unbind(0), flat
    )
    still = biased(torch.zeros(9, 1, 1, 14)).unbind(0)
    _, undisturbed = played(weights, start, still, flat[:1])
    surprise = -(rewards.sum(0) - undisturbed.sum(0)).double()
    kept = eligibility(networks.sent[:-1, 0, :, :14].double(), noise[:, 0].double(), 1)
    samples = kept * surprise.view(-1, 1, 1)
    gradient = gradient_of(weights[0, :14].double(), weights[0, 14].double(), start[0, 0].double())
    found, error = samples.mean(0), samples.std(0) / count**0.5
    wanted = gradient * size**2 / 3  # the variance of a uniform number within ± size
    free = [n for n in range(14) if n not in BIASES]
    z = ((found - wanted) / error)[:, free]
    assert z.abs().max() < 4.5
    assert 0.3 < z.square().mean() < 2.0  # entries are correlated
    pair = torch.stack([found[:, free].flatten(), wanted[:, free].flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.95
    signal = (wanted / error)[:, free]
    assert signal.square().mean() > 10  # so that another gradient would be noticed


def gradient_of(recurrent, inputs, x, target=0.5):
    """Return dE/dW of `Answers` by back-propagation, from j (rows) to i (columns)."""
    recurrent.requires_grad_(True)
    error = 0.0
    constant = torch.tensor([n in BIASES for n in range(14)])
    for t in range(9):
        drive = x.tanh() @ recurrent + inputs * (target if t < 4 else 0.0)
        x = torch.where(constant, x, x + (drive - x) / 3.0)
        if t >= 6:
            error = error + (x[0].tanh() - target).abs() / 3
    (gradient,) = torch.autograd.grad(error, recurrent)
    return gradient


# --- the learner ---


def test_types_come_in_order():
    envs = make_envs(replace(ANSWERS, kwargs={"kinds": 3}), [0], 1, discrete=False)
    torch.testing.assert_close(trial_types(envs)["target"], torch.tensor([-0.5, 0.0, 0.5]))


def test_a_trial_changes_weights_and_mean_errors_as_said():
    learner = make_learner(job(), range(2))
    before, error = learner.weights.clone(), torch.zeros(2)
    for trial in range(4):
        errors = -learner.update()["return"].float()
        if trial == 1:
            error = errors
    # learning starts after trial 0; trials 1 and 3 are of the second type
    expected = 0.25 * errors + 0.75 * 0.25 * error
    torch.testing.assert_close(learner.mean_error[:, 1], expected)
    moved = (learner.weights - before).abs()
    assert 0 < moved[:, :14].max() <= 3 * 0.01
    assert (moved[:, 14:] == 0).all()
    assert (moved[..., list(BIASES)] == 0).all()


@pytest.mark.parametrize("rule", ["hebbian", "node-perturbation"])
def test_members_learn_as_they_would_alone(rule):
    config = replace(EAGER, rule=rule)
    together = make_learner(job(config), range(2))
    alone = make_learner(job(config), [1])
    for _ in range(6):
        both, one = together.update(), alone.update()
        torch.testing.assert_close(both["return"][1:], one["return"], atol=1e-5, rtol=0)
    torch.testing.assert_close(together.weights[1:], alone.weights, atol=1e-5, rtol=0)


def test_it_goes_on_exactly():
    learner, again = (make_learner(job(), range(2)) for _ in range(2))
    for _ in range(5):
        learner.update()
    again.set_state({name: value.clone() for name, value in learner.state().items()})
    for _ in range(5):
        assert torch.equal(learner.update()["return"], again.update()["return"])
    for name, value in learner.state().items():
        assert torch.equal(value, again.state()[name]), name


def test_node_perturbation_learns():
    """From the same seeds; the exact updates are tested above, here that they add up."""
    config = HebbianConfig(
        "node-perturbation",
        learning_rate=0.3,
        probability=0.3,
        amplitude=1.0,
        largest_change=0.2,
        learning_starts=10,
    )
    learner = make_learner(job(config), range(2))
    errors = torch.stack([-learner.update()["return"] for _ in range(400)])
    assert (errors[-40:].mean(0) < 0.5 * errors[:40].mean(0)).all()


def test_every_trial_is_reported(tmp_path):
    run = RunFolder.create(tmp_path / "run", {}, "")
    with run:
        train(job(trials=300), run)
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert rows[0] == "update,member,steps,return"
    assert len(rows) == 1 + 300 * 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"environment": EnvironmentSpec("prefrontal/TwoArmedBandit-v0")}, "one number"),
        ({"environment": EnvironmentSpec("prefrontal/FireflyNavigation-v0")}, "one number"),
        ({"environment": replace(ANSWERS, kwargs={"kinds": 17})}, "17 or more"),
        ({"environment": replace(ANSWERS, kwargs={"bonus": 1.0})}, "none is above 0"),
        ({"environment": replace(ANSWERS, stages=({}, {"kinds": 3}))}, "no stages"),
        ({"device": "cuda"}, "on the CPU"),
    ],
)
def test_what_it_cannot_learn_is_said_in_one_line(wrong, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make_learner(job(**wrong), range(2))
    assert "\n" not in str(caught.value)


def test_batches_are_refused():
    with pytest.raises(ConfigError, match="--num-envs 1"):
        make_learner(Job(ANSWERS, SMALL, EAGER, 1, 2, 90, 0), [0])


def test_settings_are_checked():
    with pytest.raises(ValueError, match="exponent must be odd"):
        HebbianConfig(exponent=2)
    with pytest.raises(ValueError, match="units must be at least 12"):
        RateNetworkConfig(units=11)
