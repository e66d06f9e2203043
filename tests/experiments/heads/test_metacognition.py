"""What the experiment on metacognition compares, and what agents that know nothing score."""

import numpy as np
import pytest

from prefrontal.agents.population import Population
from prefrontal.envs import TaskVectorEnv
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.heads.metacognition import EXPERIMENT, better_arm, measure


def test_conditions_differ_in_what_they_are_named_for():
    conditions = EXPERIMENT.conditions
    heads = {name: one.network.heads for name, one in conditions.items()}
    assert [(head.target, head.into_core) for name in heads for head in heads[name]] == [
        ("correct", True),
        ("correct", False),
        ("reward", True),
    ]
    assert len({repr(one.environment) for name, one in conditions.items() if heads[name]}) == 1
    assert conditions["opt-out"].environment.stage(-1).kwargs["opt_out"] == 0.75


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_the_bands_are_those_of_the_split(split):
    env = TaskVectorEnv("prefrontal.envs:CorrelatedBandit", 500, split=split)
    best = env.reset(seed=0)[1]["task"]["p"].max(axis=1)
    low, high = better_arm(split).T
    inside = (best[:, None] >= low - 1e-6) & (best[:, None] <= high + 1e-6)
    assert inside.any(axis=1).all()
    assert (high - low).sum() == pytest.approx(0.25)


def test_untrained_agents_know_nothing(tmp_path):
    conditions = dict(EXPERIMENT.conditions)
    made = {
        name: Population.create(one.environment.stage(-1), one.network, members=2, seed=7)
        for name, one in conditions.items()
    }
    evaluation = Evaluation(made, conditions, "held_out", 60, 0, tmp_path)
    outcome = measure(evaluation)
    found = {one.name: one for one in outcome.findings}
    assert found["AUROC2, core"].value == pytest.approx(0.5, abs=0.05)
    assert found["AUROC2, core"].optimum > 0.75  # the observer knows
    assert found["calibration error, core"].value < 0.15  # about one half, and right in half
    assert found["wager's gain a choice, core"].value > 0
    assert found["AUROC2 lost by noise on half of the units, reader"].value == pytest.approx(
        0.0, abs=0.1
    )
    assert found["opting out, last 20 trials, where it pays"].value == pytest.approx(1 / 3, abs=0.1)
    assert np.isfinite([one.value for one in outcome.findings]).all()
    assert {"calibration.png", "wager_gain.png"} <= {path.name for path in outcome.figures}
