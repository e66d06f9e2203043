"""What the experiment on spiking networks compares, and that it is a fair comparison."""

import pytest

from prefrontal.agents.population import Population
from prefrontal.experiments.cores.spiking_two_step import EXPERIMENT, measure
from prefrontal.experiments.evaluation import Evaluation


def test_arms_of_a_task_differ_in_what_they_are_named_for():
    arms = EXPERIMENT.conditions
    for name, one in arms.items():
        task = "two-step" if name.startswith("two-step") else "harlow"
        base = arms[task]
        assert one.environment == base.environment
        assert one.training == base.training
        if not name.endswith("eprop"):
            assert one.algorithm == base.algorithm
    assert arms["harlow-eprop"].algorithm.rule.name == "eprop"
    assert arms["harlow-eprop"].network == arms["harlow"].network
    assert arms["harlow-without-adaptation"].network.core_kwargs["beta"] == 0
    assert [arms[f"harlow-tau-{tau}"].network.core_kwargs["tau_adaptation"] for tau in (1, 5, 80)]


def test_the_gain_is_that_of_a_member_with_adaptation_over_one_without(tmp_path):
    arms = {name: EXPERIMENT.conditions[name] for name in ("harlow", "harlow-without-adaptation")}
    made = {
        name: Population.create(one.environment, one.network, members=2, seed=7)
        for name, one in arms.items()
    }
    evaluation = Evaluation(made, arms, "held_out", 40, 0, tmp_path, figures=False)
    found = {one.name: one for one in measure(evaluation).findings}
    gain = found["accuracy, trial 2, adaptation less none"]
    of_arms = [found[f"accuracy, trial 2, {name}"].value for name in arms]
    assert gain.value == pytest.approx(of_arms[0] - of_arms[1])
    assert gain.verdict in ("missed", "open")  # they have learned nothing
    assert 0 < found["ticks with a spike, harlow"].value < 1
