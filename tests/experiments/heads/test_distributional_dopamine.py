"""What the experiment on distributional values holds heads against, on agents that know nothing."""

import numpy as np
import pytest

from prefrontal.agents.population import Population
from prefrontal.envs.magnitude import AMOUNTS, LARGEST
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.heads import cells
from prefrontal.experiments.heads.cells import cell_findings
from prefrontal.experiments.heads.distributional_dopamine import (
    EXPERIMENT,
    LEVELS,
    exact_expectiles,
    measure,
    slopes,
)


def test_amounts_are_those_of_the_task():
    np.testing.assert_array_equal(cells.AMOUNTS, AMOUNTS)
    assert cells.LARGEST == LARGEST
    np.testing.assert_allclose(LEVELS[[0, 4, 8]], [1 / 18, 0.5, 17 / 18])


def test_arms_differ_in_what_they_are_named_for():
    arms = EXPERIMENT.conditions
    plain = arms["scalar"]
    assert not plain.network.heads
    steps = plain.training.total_steps
    assert arms["arms"].with_options(heads=(), total_steps=steps) == plain
    assert arms["critic"].algorithm.critic.baseline == "heads"
    (head,) = arms["risk"].network.heads
    assert (head.size, head.per_action, head.target) == (2, True, "reward")
    assert arms["risk"].environment.split == "all"


def test_exact_expectiles_of_a_win_and_a_loss():
    record = {
        "action": np.array([[[0, 0, 1]]]),
        "reward": np.array([[[1.0, 0.0, 1.0]]]),
        "policy": np.full((1, 1, 3, 2), 0.5),
    }
    exact = exact_expectiles(record, per_action=True)
    np.testing.assert_allclose(exact[0, 0, :, 4], [1 / 2, 2 / 3, 1 / 2])  # the mean, τ = .5
    np.testing.assert_allclose(slopes(exact), 1.0)
    np.testing.assert_allclose(exact_expectiles(record, False)[0, 0, :, 4], 0.5)


def test_perfect_heads_stand_out_from_the_controls():
    rng = np.random.default_rng(0)
    came = rng.integers(0, 7, (4, 40, 50))
    values = np.linspace(0.05, 0.8, 9)
    errors = (np.array(AMOUNTS) / LARGEST)[came][..., None] - values
    found = {one.name: one.value for one in cell_findings(0, came, errors)}
    assert found["reversal points of two halves (R), heads"] > 0.9
    assert found["asymmetry against reversal point (R), heads"] > 0.9
    assert abs(found["reversal points of two halves (R), scalar critic plus noise"]) < 0.7
    assert found["asymmetry against reversal point (R), simulated, coupled"] > 0.5
    assert found["reversal points of two halves (R), simulated, uncoupled"] > 0.5  # spurious
    assert found["asymmetry against reversal point (R), simulated, uncoupled"] < 0
    assert found["spread of values, uncoupled over coupled"] == pytest.approx(0.0, abs=1e-9)


def test_untrained_agents_are_measured_and_miss_the_bars(tmp_path):
    arms = {name: one.with_options(trials=60) for name, one in EXPERIMENT.conditions.items()}
    made = {
        name: Population.create(one.environment, one.network, members=2, seed=7)
        for name, one in arms.items()
    }
    evaluation = Evaluation(made, arms, "held_out", 12, 0, tmp_path, figures=False)
    outcome = measure(evaluation)
    found = {one.name: one for one in outcome.findings}
    assert len(found) == len(outcome.findings)
    assert found["RMSE to the exact expectile, the worst of nine τ, arms"].value > 0.06
    assert found["reversal point off the exact expectile, the worst of nine τ, equal"].value > 0.05
    assert found["safe reward worth the gamble off e_τ(p), the worst of six"].value > 0.03
    assert -1 <= found["asymmetry against reversal point (R), units"].value <= 1
