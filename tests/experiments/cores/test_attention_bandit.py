"""Attention against Thompson sampling: the exact posterior, and what is measured of agents."""

from pathlib import Path

import numpy as np
import pytest

from prefrontal.agents import Population
from prefrontal.agents.reference.counting import Thompson
from prefrontal.agents.reference.play import simulate
from prefrontal.experiments.cores.attention_bandit import policy_after, posterior
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment

EXPERIMENT = find_experiment("attention-bandit")


def test_the_posterior_by_hand():
    """P(p2 > p1): 1/2 at first, 2/3 after a win of the second arm, and after a loss of the first.

    Then the arms are Beta(1, 2) and Beta(2, 1): ``∫ 2 p (1 - (1 - p)²) dp = 5/6``.
    """
    record = {
        "action": np.array([[[1, 0, 0], [0, 1, 0]]]),
        "reward": np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]),
    }
    wanted = [[1 / 2, 2 / 3, 5 / 6], [1 / 2, 2 / 3, 5 / 6]]
    np.testing.assert_allclose(posterior(record)[0], wanted, atol=1e-5)


def test_the_posterior_is_how_often_thompson_sampling_takes_an_arm():
    p = np.random.default_rng(0).random((4000, 2))
    noise = np.random.default_rng(1).random((4000, 30))
    arms = np.repeat(p[:, None], 30, axis=1)
    played = simulate(Thompson(), arms, 30, np.random.default_rng(2), noise)
    record = {name: played[name][None] for name in ("action", "reward")}
    taken, expected = record["action"] == 1, posterior(record)
    assert (taken - expected).mean() == pytest.approx(0, abs=0.005)
    for low in (0.0, 0.1, 0.5, 0.9):
        there = (expected >= low) & (expected < low + 0.1)
        assert taken[there].mean() == pytest.approx(expected[there].mean(), abs=0.02)


@pytest.mark.parametrize("condition", ["supervised", "supervised-lstm"])
def test_what_is_measured_of_agents_that_know_nothing(tmp_path: Path, condition: str) -> None:
    settings = EXPERIMENT.conditions[condition].with_options(hidden_size=8)
    agents = Population.create(settings.environment, settings.network, members=3)
    evaluation = Evaluation(
        {condition: agents}, {condition: settings}, "all", 8, 0, tmp_path, figures=False
    )
    found = {one.name: one for one in EXPERIMENT.measure(evaluation).findings}
    assert found[f"regret, {condition}, 100 pulls"].value > 5
    assert found[f"regret, {condition}, 200 pulls, less Thompson's on the same tasks"].value > 5
    assert found[f"distance of the policy from the posterior, {condition}, 100 pulls"].value > 0.2
    changed = found[f"change of the policy by shuffling all but the last, {condition}"].value
    assert (changed < 1e-6) is (condition == "supervised")
    # The policy after what was seen is the one that was recorded.
    record = evaluation.record(condition, hidden=True)
    policy = policy_after(agents, record["observation"][:, :, :11])
    np.testing.assert_allclose(policy, record["policy"][:, :, 10], atol=1e-6)


def test_only_the_exact_regret_is_a_bar():
    assert EXPERIMENT.conditions["supervised"].environment.split == "all"
    inputs = EXPERIMENT.conditions["supervised-no-reward"].environment.inputs
    assert "reward" not in inputs
    assert "centred_reward" not in inputs
