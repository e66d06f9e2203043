"""Models that play: what they are given is kept, and what they do is what the likelihood says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.behaviour.models.catalogue import find, names
from prefrontal.behaviour.models.run import run
from prefrontal.behaviour.models.simulate import (
    Environment,
    bandits,
    redrawn,
    simulate,
    stimuli,
    two_step,
    values_of,
)

SUBJECTS, TRIALS = 30, 150

#: Parameters far from their priors' means, so that the likelihood must tell them.
TRUE = {
    "biased-random": {"bias": 0.7},
    "wsls": {"win_stay": 0.8, "lose_shift": 0.4},
    "rw": {"learning_rate": 0.4, "inverse_temperature": 3.0},
    "rw+dual+forget+persev+lapse+bias": {
        "learning_rate_positive": 0.6,
        "learning_rate_negative": 0.25,
        "inverse_temperature": 4.0,
        "forgetting_rate": 0.3,
        "perseveration": 0.6,
        "lapse": 0.15,
        "bias": 0.4,
    },
    "pearce-hall": {"learning_rate": 0.5, "associability_rate": 0.3, "inverse_temperature": 4.0},
    "kalman-value": {"value_weight": 0.2},
    "kalman-ucb": {"value_weight": 0.2, "relative_uncertainty_weight": 0.3},
    "kalman-thompson": {"scaled_value_weight": 0.8},
    "kalman-hybrid": {"scaled_value_weight": 0.8, "relative_uncertainty_weight": 0.3},
    "hidden-state": {"hazard": 0.15, "contrast": 0.6, "inverse_temperature": 3.0},
    "hybrid": {
        "alpha1": 0.5,
        "alpha2": 0.4,
        "lambda": 0.6,
        "beta1": 4.0,
        "w": 0.4,
        "perseveration": 0.5,
        "beta2": 3.0,
    },
    "mf": {
        "alpha1": 0.5,
        "alpha2": 0.4,
        "lambda": 0.6,
        "beta1": 4.0,
        "perseveration": 0.5,
        "beta2": 3.0,
    },
    "mb": {"alpha2": 0.4, "beta1": 6.0, "perseveration": 0.5, "beta2": 3.0},
    "hybrid-reduced": {
        "alpha1": 0.5,
        "alpha2": 0.4,
        "lambda": 0.6,
        "beta1": 6.0,
        "w": 0.4,
        "perseveration": 0.5,
    },
    "mf-reduced": {"alpha1": 0.5, "alpha2": 0.4, "lambda": 0.6, "beta1": 6.0, "perseveration": 0.5},
    "mb-reduced": {"alpha2": 0.4, "beta1": 6.0, "perseveration": 0.5},
    "rlwm": {
        "learning_rate": 0.1,
        "memory_decay": 0.2,
        "memory_weight": 0.8,
        "capacity": 2.5,
        "inverse_temperature": 6.0,
        "lapse": 0.1,
    },
}


def environment(name, subjects=SUBJECTS, trials=TRIALS):
    """An environment that tells the parameters of a model."""
    rng = np.random.default_rng(0)
    block = np.tile(np.arange(trials) // 15, (subjects, 1))
    if name.startswith("kalman"):
        means = rng.normal(0, 10, (subjects, trials // 15 + 1, 2)).repeat(15, 1)[:, :trials]
        return bandits(means, 10**0.5, block=block, resets="block")
    if name == "rlwm":
        return stimuli(subjects, trials, (2, 4, 6))
    swap = (np.arange(trials) // 25) % 2 == 1
    good = np.where(swap, 1, 0)[None].repeat(subjects, 0)
    pay = 0.2 + 0.6 * np.eye(2)[good]
    if find(name).needs:
        second = 1 if name.endswith("reduced") else 2
        return two_step(pay[..., None] * np.array([1, 0.6])[:second])
    return bandits(pay)


@pytest.mark.parametrize("name", TRUE)
def test_the_likelihood_is_highest_near_the_truth(name):
    model = find(name)
    data = simulate(model, TRUE[name], environment(name), seed=1)
    true = model.raw(TRUE[name])  # [P]
    raw = true.repeat(SUBJECTS, 1).requires_grad_()
    total = run(model, model.theta(raw), data).total
    (scores,) = torch.autograd.grad(total.sum(), raw)  # [S, P]
    # At the truth scores have a mean of 0, and the information as their covariance.
    covariance, score = torch.linalg.inv(scores.T @ scores), scores.sum(0)
    assert float(score @ covariance @ score) < 4 * len(true) + 6
    far = true + 12 * torch.diag(covariance.diagonal().sqrt())
    there = run(model, model.theta(far.unsqueeze(1)), data).total.sum(-1)
    assert (there < total.sum() - 5).all()


def test_every_model_is_tried():
    assert set(names()) - {"random"} <= set(TRUE)


@pytest.mark.parametrize("name", ["rw+persev", "hybrid", "kalman-hybrid", "rlwm"])
def test_what_is_played_is_what_is_scored(name):
    """A model that always takes the likelier arm gives its own choices the highest likelihood."""
    model = find(name)
    theta = {one.name: 0.5 if one.transform == "unit" else 1e4 for one in model.parameters}
    theta = {key: 0.0 if key == "lapse" else value for key, value in theta.items()}
    data = simulate(model, theta, environment(name, 4, 45))
    ran = run(model, values_of(model, theta, 4), data, latents=True)
    p, best = ran.log_p.exp().numpy(), ran.latents["policy"].amax(-1).numpy()
    assert np.allclose(p, best)


def test_missed_and_forced_trials_stay_so():
    play = environment("rw", 3, 40)
    rng = np.random.default_rng(2)
    missed, forced = rng.random((3, 40)) < 0.2, rng.random((3, 40)) < 0.2
    choice = np.where(missed, -1, np.where(forced, 1, 0))
    given = replace(
        play.trials,
        choice=choice,
        scored=~missed & ~forced,
        learned=~missed,
        reward=np.where(missed, np.nan, 0),
    )
    theta = {"learning_rate": [0.3, 0.4, 0.5], "inverse_temperature": 2.0}
    made = simulate(find("rw"), theta, Environment(given, play.pay))
    assert np.array_equal(made.choice == -1, missed)
    assert (made.choice[forced & ~missed] == 1).all()
    assert (made.choice[~forced & ~missed] == 0).any()
    assert np.isnan(made.reward[missed]).all()
    assert np.array_equal(made.scored, given.scored)
    again = simulate(find("rw"), theta, Environment(given, play.pay))
    assert np.array_equal(made.choice, again.choice)


def test_arms_pay_what_they_are_said_to():
    pay = np.tile([3.0, -2.0], (5, 100, 1))
    theta = {"learning_rate": 0.5, "inverse_temperature": 0.1}
    made = simulate(find("rw"), theta, bandits(pay, 0.0))
    assert np.array_equal(made.reward, np.where(made.choice == 0, 3.0, -2.0))
    made = simulate(find("random"), {}, bandits(np.tile([0.9, 0.1], (50, 100, 1))))
    assert made.reward[made.choice == 0].mean() == pytest.approx(0.9, abs=0.02)
    assert (made.choice == 0).mean() == pytest.approx(0.5, abs=0.03)


def test_one_action_is_right_for_each_stimulus_of_a_block():
    play = stimuli(2, 70, (2, 4))
    columns, block = play.trials.columns, play.trials.block
    assert np.bincount(block[0]).tolist() == [20, 40, 10]
    assert sorted(columns["stimulus"][1, :20]) == [0] * 10 + [1] * 10
    assert (columns["set_size"][:, 20:60] == 4).all()
    right = play.pay.argmax(-1)
    for stimulus in range(4):
        assert len(set(right[0, 20:60][columns["stimulus"][0, 20:60] == stimulus])) == 1
    assert (play.pay.sum(-1) == 1).all()
    assert play.trials.starts[0].nonzero()[0].tolist() == [0, 20, 60]


def test_transitions_are_common_as_often_as_they_should_be():
    mapping = np.tile([1, 0], (50, 1))
    play = two_step(np.full((50, 100, 2, 2), 0.5), 0.8, mapping=mapping)
    made = simulate(find("mb"), TRUE["mb"], play)
    assert (made.state2 == 1 - made.choice).mean() == pytest.approx(0.8, abs=0.02)


def test_choices_drawn_anew_follow_the_recorded_history():
    data = simulate(find("rw"), TRUE["rw"], environment("rw"))
    sure = {"learning_rate": 0.4, "inverse_temperature": 1e5}
    drawn = redrawn(find("rw"), sure, data)
    values = run(find("rw"), values_of(find("rw"), sure, len(data)), data, latents=True).latents
    better = values["values"].argmax(-1).numpy()
    differ = (values["values"][..., 0] - values["values"][..., 1]).abs().numpy() > 1e-3
    assert (drawn == better)[differ].all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: bandits(np.full((1, 2, 2), 1.5)), "pay"),
        (lambda: Environment(bandits(np.ones((1, 2, 2))).trials, np.ones((1, 3, 2))), "pay must"),
        (lambda: two_step(np.ones((1, 2, 3))), "pay must be"),
        (lambda: simulate(find("rw"), {}, bandits(np.ones((1, 2, 2)))), "needs a value of lear"),
        (
            lambda: simulate(
                find("random", arms=2), {"bias": 0}, bandits(np.full((1, 2, 2), np.nan))
            ),
            "pay is missing of trial 0 of subject 0",
        ),
        (
            lambda: simulate(
                find("wsls"), {"win_stay": [1, 1], "lose_shift": 0.5}, bandits(np.ones((1, 2, 2)))
            ),
            "win_stay must be one number or 1",
        ),
    ],
)
def test_what_cannot_be_played(call, text):
    with pytest.raises(ValueError, match=text):
        call()
