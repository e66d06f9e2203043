"""Bars are for the tasks of an experiment, whoever the agents are."""

from dataclasses import replace

from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.experiment import (
    all_experiments,
    find_experiment,
    of_other_tasks,
    unjudged,
)


def test_only_tasks_and_their_split_decide():
    experiment = find_experiment("meta-navigation")
    own = dict(experiment.conditions)
    assert of_other_tasks(experiment, own) == []
    one = own["one-target"]

    def changed(**fields):
        environment = replace(one.environment, **fields)
        return of_other_tasks(
            experiment, own | {"one-target": replace(one, environment=environment)}
        )

    kwargs = one.environment.kwargs
    assert changed(inputs=("action", "reward")) == []  # what agents are shown is theirs
    assert changed(kwargs={**kwargs, "process_noise": 0.2}) == []  # the default
    assert changed(kwargs={**kwargs, "process_noise": 0.3}) == ["one-target"]
    assert changed(split="all") == ["one-target"]
    assert changed(stages=(*one.environment.stages, {"targets": 2})) == ["one-target"]
    agents = replace(one, training=replace(one.training, members=1))
    assert of_other_tasks(experiment, {"one-target": agents}) == []
    assert of_other_tasks(experiment, {"another": one}) == ["another"]


def test_every_experiment_is_of_its_own_tasks():
    for experiment in all_experiments().values():
        assert of_other_tasks(experiment, experiment.conditions) == []


def test_what_is_not_judged_keeps_what_was_measured():
    finding = Finding("a", 1.0, 0.5, 1.5, published=2.0, optimum=3.0, bar=0.9, goal=1.2)
    (plain,) = unjudged([finding])
    assert plain == Finding("a", 1.0, 0.5, 1.5, optimum=3.0)
    assert plain.met is None
