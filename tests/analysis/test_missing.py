"""Every probe leaves out what is missing, and refuses what cannot be, with its place and value.

`PROBES` holds a call of every probe of recorded trials, with the arrays that it takes. A missing
trial (or episode, task, sample) is put into all of them: the result must be that without it. Then
each array in turn gets a value that cannot be one. `REFUSED` holds what cannot do without a value.
"""

import importlib
import inspect
import pkgutil
from dataclasses import astuple, is_dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import prefrontal.analysis
from prefrontal.analysis.choice import (
    bandits,
    choice,
    cognitive_models,
    continual,
    evolution,
    hybrid_model,
    learning_rate,
    metacognition,
    navigation,
    observers,
    search,
    two_step,
)
from prefrontal.analysis.dynamics import fixed_points
from prefrontal.analysis.dynamics import similarity as dynamical
from prefrontal.analysis.figures import alignment, behaviour, learning, members
from prefrontal.analysis.figures import continual as continual_figures
from prefrontal.analysis.figures import evolution as evolution_figures
from prefrontal.analysis.figures import navigation as navigation_figures
from prefrontal.analysis.missing import NotMeasurableError, codes, numbers, packed
from prefrontal.analysis.neural import (
    decoding,
    distributional,
    dopamine,
    encoding,
    places,
    populations,
    representation,
    scoring,
    selectivity,
    similarity,
)
from prefrontal.analysis.stats import contrasts, intervals, means, regression

NAN, INF = np.nan, np.inf
M, E, T, H = 2, 12, 30, 3
rng = np.random.default_rng(0)

action = rng.integers(0, 2, (M, E, T))
best = rng.integers(0, 2, (M, E, T))
reward = (rng.random((M, E, T)) < 0.3 + 0.4 * action).astype(float)
regret = rng.random((M, E, T)) * (action != best)
common = rng.random((M, E, T)) < 0.7
second = rng.integers(0, 2, (M, E, T))
state = np.where(common, action, 1 - action)
label = rng.integers(0, 4, (M, E, T))
left = rng.integers(0, 3, (M, E, T))
right = (left + rng.integers(1, 3, (M, E, T))) % 3
chosen = np.where(rng.random((M, E, T)) < 0.6, left, right)
hidden = rng.normal(size=(M, E, T, H))
signal, error = rng.normal(size=(2, M, E, T))


learner = cognitive_models.RescorlaWagner().simulate([0.4, 4.0], rng.random((E, T, 2)).round())


class Array(NamedTuple):
    """An array that a probe takes, what is missing in it, and what cannot be in it."""

    values: np.ndarray
    missing: float
    foreign: object


def code(values, foreign=7):
    return Array(values, -1, foreign)


def real(values, foreign=INF):
    return Array(values, NAN, foreign)


class Probe(NamedTuple):
    """A call, its arrays, and the axis of what is put in."""

    call: object
    arrays: dict
    axis: int = 2


CHOICES = {"action": code(action), "reward": real(reward)}
ONE = {"action": code(action[0]), "reward": real(reward[0])}
TRIALS = {
    "first_action": code(action),
    "common": code(common.astype(int), 2),
    "reward": real(reward),
    "second_action": code(second, 0.5),
}
LEARNER = {"action": code(learner.action), "reward": real(learner.reward)}
UNCHECKED = {name: array._replace(foreign=None) for name, array in TRIALS.items()}  # other places
HYBRID = {
    "action": code(action[0]),
    "reward": real(reward[0]),
    "second_state": code(state[0]),
    "second_action": code(second[0]),
}
BANDIT = {
    "action": code(action, 0.5),
    "optimal_action": code(best, -3),
    "regret": real(regret, -1.0),
    "reward": real(reward),
}
PICKED = {
    "left": code(left, 0.5),
    "right": code(right, "blue"),
    "chosen": code(chosen, 9),
    "stimuli": None,
}
RW = cognitive_models.RescorlaWagner()
VECTOR = np.array([[0.3, 3.0], [0.6, 1.0]])


def rounded(fit):
    """Numbers of a fit to the digits that its optimiser leaves alike."""
    return np.round(list(fit.values()) if isinstance(fit, dict) else fit, 3)


def steps(arrays):
    """A record of two steps a trial."""
    count = arrays["first_action"].shape[2]
    record = {
        "action": np.stack([arrays["first_action"], arrays["second_action"]], -1),
        "common": np.stack([arrays["common"]] * 2, -1),
        "reward": np.stack([arrays["reward"], np.zeros_like(arrays["reward"])], -1),
        "stage": np.broadcast_to([0, 1], (M, E, count, 2)),
        "trial": np.broadcast_to(np.arange(count)[:, None], (M, E, count, 2)),
    }
    return {name: values.reshape(M, E, -1) for name, values in record.items()}


def trials_of_steps(**arrays):
    found = two_step.trials_of(steps(arrays))
    return two_step.stay_counts(found), two_step.reward_per_trial(found)


def signals(**arrays):
    """What `two_step_signals` says of the trials that are there."""
    found = dopamine.two_step_signals(two_step.TwoStepTrials(**arrays))
    there = ~np.isnan(arrays["reward"])
    return {name: values[there] for name, values in found.items()}


def hybrid(options):
    model = hybrid_model.Hybrid(0.7, options)
    points = np.array([[0.5, 0.4, 0.6, 0.3, 3.0, 0.2, 2.0], [0.1, 0.9, 0.0, 1.0, 1.0, -0.5, 5.0]])
    points = points[:, : len(model.names)]
    return lambda **a: model.log_likelihood(points, cognitive_models.ChoiceData(**a))


def rescorla_wagner(forgetting):
    model = cognitive_models.RescorlaWagner(0.4, forgetting)
    points = np.hstack([VECTOR, [[0.3], [0.9]]])[:, : len(model.names)]
    return lambda **a: model.log_likelihood(points, cognitive_models.choice_data(**a))


def on_trials(probe):
    return lambda **arrays: probe(two_step.TwoStepTrials(**arrays))


def plain_fits(fits):
    return [(fit.coefficients, fit.covariance, fit.log_likelihood) for fit in fits]


FEW = {"folds": 3, "block": 2}  # folds of the trials of one episode


def session_permutation(counts, latent, session):
    given = {"latent": latent}
    return encoding.encoding(counts, given, session, drift=1, least=10, **FEW)


def positions(**arrays):
    """A record of navigators that walk for all of an episode."""
    shape = arrays["x"].shape
    return {**arrays, "active": np.ones(shape), "trial": np.zeros(shape, int)}


PLACES = {
    "x": real(signal),
    "y": real(error),
    "hidden": Array(hidden, NAN, INF),
}
PROBES = {
    "bandits.regret_curve": Probe(bandits.regret_curve, {"regret": BANDIT["regret"]}, 1),
    "bandits.total_regret": Probe(bandits.total_regret, {"regret": BANDIT["regret"]}),
    "bandits.suboptimal_pulls": Probe(bandits.suboptimal_pulls, {"regret": BANDIT["regret"]}),
    "bandits.optimal_fraction": Probe(
        bandits.optimal_fraction, {k: BANDIT[k] for k in ("action", "optimal_action")}, 1
    ),
    "bandits.arm_frequencies": Probe(
        lambda action: bandits.arm_frequencies(action, 2), {"action": code(action)}, 1
    ),
    "bandits.summary": Probe(lambda **arrays: bandits.summary(arrays), BANDIT, 1),
    "choice.history_regression": Probe(
        lambda **a: plain_fits(choice.history_regression(**a, lags=3).fits), CHOICES
    ),
    "choice.matching_law": Probe(choice.matching_law, CHOICES),
    "choice.learning_set_curve": Probe(
        lambda correct, trial: choice.learning_set_curve(correct, trial, 4),
        {"correct": code(action == best, 2), "trial": Array(label, -1, None)},
    ),
    "cognitive_models.choice_data": Probe(rescorla_wagner(False), ONE, 1),
    "cognitive_models.RescorlaWagner": Probe(rescorla_wagner(True), ONE, 1),
    "cognitive_models.fit": Probe(
        lambda **a: rounded(cognitive_models.fit(RW, cognitive_models.choice_data(**a)).parameters),
        LEARNER,
        1,
    ),
    "cognitive_models.compare": Probe(
        lambda **a: [
            (one.model, rounded(one.bic))
            for one in cognitive_models.compare(
                {"a": RW, "b": hybrid_model.Hybrid(options=1)},
                cognitive_models.ChoiceData(**a),
                starts=1,
            )
        ],
        {name: HYBRID[name] for name in ("action", "reward", "second_state")},
        1,
    ),
    "hybrid_model.Hybrid": Probe(hybrid(2), HYBRID, 1),
    "hybrid_model.Hybrid, one option": Probe(hybrid(1), HYBRID | {"second_action": None}, 1),
    "hybrid_model.two_step_data": Probe(
        on_trials(
            lambda trials: hybrid_model.Hybrid().log_likelihood(
                np.full((1, 7), 0.5), hybrid_model.two_step_data(trials, 1, 2)
            )
        ),
        TRIALS,
    ),
    "learning_rate.learning_rates": Probe(
        lambda **a: astuple(learning_rate.learning_rates(**a)),
        ONE | {"group": Array(label[0].astype(float) // 2, NAN, None)},
        1,
    ),
    "continual.pair_accuracy": Probe(
        lambda correct, pair: continual.pair_accuracy(correct, pair, [0, 1]),
        {"correct": code(action, "yes"), "pair": Array(label, -1, None)},
    ),
    "continual.confusion_by_pair": Probe(
        lambda **a: continual.confusion_by_pair(**a, stimuli=[0, 1, 2]),
        {name: array for name, array in PICKED.items() if array},
    ),
    "evolution.retest": Probe(
        lambda fresh: evolution.retest(fresh, [3.0, 4.0], 5), {"fresh": real(signal[:, 0])}, 1
    ),
    "navigation.mean_size": Probe(
        lambda **a: navigation.mean_size(positions(x=a["rpe"], **a), "rpe"), {"rpe": real(signal)}
    ),
    "navigation.decode_place": Probe(lambda **a: navigation.decode_place(positions(**a)), PLACES),
    "two_step.trials_of": Probe(trials_of_steps, UNCHECKED),
    "two_step.stay_counts": Probe(on_trials(two_step.stay_counts), TRIALS),
    "two_step.stay_counts, first": Probe(
        on_trials(lambda t: two_step.stay_counts(t, True)), TRIALS
    ),
    "two_step.stay_probabilities": Probe(on_trials(two_step.stay_probabilities), TRIALS),
    "two_step.stay_regression": Probe(
        on_trials(lambda trials: plain_fits(two_step.stay_regression(trials))), TRIALS
    ),
    "two_step.reward_per_trial": Probe(on_trials(two_step.reward_per_trial), TRIALS),
    "decoding.decode_value": Probe(
        decoding.decode_value, {"hidden": real(hidden), "target": real(signal)}
    ),
    "scoring.explained": Probe(
        lambda response, latent: scoring.explained(response, latent, **FEW),
        {"response": real(hidden[0, 0]), "latent": real(hidden[1, 0])},
        0,
    ),
    "scoring.explained, counts": Probe(
        lambda response, latent: scoring.explained(response, latent, noise="poisson", **FEW),
        {"response": real(np.abs(hidden[0, 0]), -INF), "latent": real(signal[0, 0])},
        0,
    ),
    "encoding.encoding": Probe(
        session_permutation,
        {
            "counts": real(hidden[0, :3].reshape(-1, H)),
            "latent": real(signal[0, :3].ravel()),
            "session": code(np.repeat(np.arange(3), T), 0.5),
        },
        0,
    ),
    "encoding.split_half": Probe(encoding.split_half, {"counts": real(hidden[0])}, 0),
    "populations.linear_cka": Probe(
        populations.linear_cka, {"first": real(hidden[0, 0]), "second": real(hidden[1, 0])}, 0
    ),
    "populations.cca": Probe(
        lambda first, second: populations.cca(first, second, 2, **FEW),
        {"first": real(hidden[0, 0]), "second": real(hidden[1, 0])},
        0,
    ),
    "dopamine.rpe_regression": Probe(
        lambda rpe, **signals: dopamine.rpe_regression(rpe, signals),
        {"rpe": real(error), "value": real(signal), "other": real(hidden[..., 0])},
    ),
    "dopamine.two_step_signals": Probe(
        signals, {k: v for k, v in TRIALS.items() if k != "second_action"}
    ),
    "places.place_patterns": Probe(
        lambda hidden, cell: places.place_patterns(hidden, cell, 4),
        {"hidden": real(hidden), "cell": code(label)},
    ),
    "places.distance_correlation": Probe(  # a place that is missing
        lambda patterns, at: places.distance_correlation(
            patterns[None], np.abs(at[:, None] - at[None])
        ),
        {"patterns": real(hidden[0, 0, :6]), "at": Array(signal[0, 0, :6], NAN, None)},
        0,
    ),
    "places.similarity_by_distance": Probe(
        lambda patterns: places.similarity_by_distance(
            patterns[None], 1 - np.eye(len(patterns), dtype=int)
        ),
        {"patterns": real(hidden[0, 0, :6])},
        0,
    ),
    "representation.pca": Probe(representation.pca, {"patterns": real(hidden)}),
    "representation.rank_correlation": Probe(
        representation.rank_correlation, {"x": real(signal), "y": real(error)}
    ),
    "selectivity.selectivity": Probe(
        lambda hidden, **variables: selectivity.selectivity(hidden, variables),
        {"hidden": real(hidden), "value": real(signal), "other": real(error)},
    ),
    "similarity.compare": Probe(  # a condition that is missing
        lambda a, b: similarity.compare(similarity.dissimilarity(a), similarity.dissimilarity(b)),
        {"a": real(hidden[0, 0, :6]), "b": real(hidden[1, 0, :6])},
        0,
    ),
    "similarity.dissimilarity": Probe(
        lambda patterns: np.nanmean(
            similarity.dissimilarity(patterns)[~np.eye(len(patterns), dtype=bool)]
        ),
        {"patterns": real(hidden[0, 0, :6])},
        0,
    ),
    "similarity.crossnobis": Probe(
        similarity.crossnobis,
        {
            "patterns": real(hidden[0, 0]),
            "condition": code(action[0, 0], 0.5),
            "fold": code(second[0, 0], 0.5),
        },
        0,
    ),
    "similarity.upper": Probe(
        lambda matrix: np.nanmean(similarity.upper(matrix)), {"matrix": real(signal[:, :4, :4])}, 0
    ),
    "means.mean_by_label": Probe(
        lambda values, label: means.mean_by_label(values, label, [0, 1, 2]),
        {"values": real(signal), "label": Array(label, -1, None)},
    ),
    "means.observed_mean": Probe(
        lambda values: means.observed_mean(values, (1, 2)), {"values": Array(signal, NAN, None)}
    ),
    "means.masked_mean": Probe(
        lambda values, mask: means.masked_mean(values, mask, (1, 2)),
        {"values": Array(signal, NAN, None), "mask": Array(common, False, None)},
    ),
    "means.z_scores": Probe(
        lambda values: np.nansum(means.z_scores("values", values) ** 3, axis=(1, 2)),
        {"values": real(signal)},
    ),
    "regression.logistic_regression": Probe(
        lambda x, y: astuple(regression.logistic_regression(x, y)),
        {"x": real(hidden[0, 0]), "y": Array(action[0, 0], NAN, 1.5)},
        0,
    ),
    "regression.linear_regression": Probe(
        regression.linear_regression, {"x": real(hidden[0]), "y": real(hidden[1])}, 1
    ),
    "regression.ridge_decoder": Probe(
        lambda activity, target: regression.ridge_decoder(activity, target, 1.0)(hidden[0, 1]),
        {"activity": real(hidden[0, 0]), "target": real(signal[0, 0])},
        0,
    ),
}


def flat(result):
    """All numbers and texts of a result, one after the other."""
    if is_dataclass(result):
        return flat(list(vars(result).values()))
    if isinstance(result, dict):
        return flat(list(result.values()))
    if isinstance(result, list | tuple):
        return [leaf for part in result for leaf in flat(part)]
    if isinstance(result, str) or result is None:
        return [result]
    return np.ravel(np.asarray(result, dtype=np.float64)).tolist()


def alike(found, wanted):
    found, wanted = flat(found), flat(wanted)
    texts = [leaf for leaf in wanted if isinstance(leaf, str)]
    assert [leaf for leaf in found if isinstance(leaf, str)] == texts
    real_ones = [[x for x in leaves if isinstance(x, float)] for leaves in (found, wanted)]
    np.testing.assert_allclose(*real_ones, rtol=1e-7, atol=1e-9)
    assert np.isfinite(real_ones[1]).any() or texts


def call(probe, arrays):
    given = {name: array for name, array in arrays.items() if array is not None}
    return probe.call(**given)


def plain(probe):
    return {name: array.values if array else None for name, array in probe.arrays.items()}


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("form", ["-1", "nan"])
def test_a_missing_trial_changes_nothing(name, form):
    probe = PROBES[name]
    gap = {}
    for key, array in probe.arrays.items():
        if array is None:
            continue
        missing = NAN if form == "nan" and array.missing == -1 else array.missing
        values = array.values.astype(float) if missing != missing else array.values
        gap[key] = np.insert(values, min(3, values.shape[probe.axis]), missing, axis=probe.axis)
        if key == "matrix" or (key in ("a", "b") and values.ndim == 1):
            continue
    alike(call(probe, gap), call(probe, plain(probe)))


def foreign_cases():
    for name, probe in PROBES.items():
        for key, array in probe.arrays.items():
            if array is not None and array.foreign is not None:
                yield name, key


@pytest.mark.parametrize(("name", "key"), list(foreign_cases()))
def test_a_foreign_value_is_refused_with_its_place(name, key):
    probe = PROBES[name]
    arrays = plain(probe)
    wrong = arrays[key].astype(object if isinstance(probe.arrays[key].foreign, str) else float)
    index = tuple(min(i, n - 1) for i, n in zip((1, 1, 2, 0), wrong.shape, strict=False))
    wrong[index] = probe.arrays[key].foreign
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call(probe, arrays | {key: wrong})
    message = str(caught.value)
    assert "\n" not in message
    assert str(probe.arrays[key].foreign) in message
    assert f" {index[-1]}" in message.partition(" at ")[2]


OUT = Path("never-written.png")
ONES = np.ones((3, 8))
WALK = {"ended": np.ones((1, 1, 1)), "trial": np.zeros((1, 1, 1)), "active": np.ones((1, 1, 1))}
WALK |= {n: np.zeros((1, 1, 1)) for n in ("x", "y", "end_x", "end_y", "target_x", "target_y")}
WALK |= {n: np.ones((1, 1, 1)) for n in ("stopped", "clock", "rewarded")}
REFUSED = {
    "alignment.encoding_figure": (
        lambda: alignment.encoding_figure({"a": [[0.5, INF]]}, {"a": [[1, 0]]}, ["v", "w"], OUT),
        "inf at unit 0, latent 1",
    ),
    "alignment.slow_points_figure": (
        lambda: alignment.slow_points_figure({"a": ([[0.5, INF]], [1.0], [[0, 0]])}, OUT, "v"),
        "inf at point 0",
    ),
    "fixed_points.fixed_points": (
        lambda: fixed_points.fixed_points(np.tanh, [[0.0, NAN]]),
        "starts must be .* nan at start 0, unit 1",
    ),
    "fixed_points.time_constants": (lambda: fixed_points.time_constants([1.0, INF]), "inf at eig"),
    "similarity.delay_embedding": (
        lambda: dynamical.delay_embedding(hidden[:, :, :4, 0] * NAN, 2),
        "nan at episode 0, step 0, unit 0",
    ),
    "similarity.step_distance": (
        lambda: dynamical.step_distance([[NAN]], [[1.0]]),
        "first must be .* nan at row 0, column 0",
    ),
    "intervals.interval": (lambda: intervals.interval([0.5, NAN, 1.0]), "nan at member 1"),
    "intervals.interval, infinite": (lambda: intervals.interval([0.5, INF]), "inf at member 1"),
    "intervals.interval, text": (lambda: intervals.interval(["a", 1.0]), "'a' at member 0"),
    "intervals.interval, range": (lambda: intervals.interval([0, 1], within=(1, 0)), "low < high"),
    "intervals.interval, within": (
        lambda: intervals.interval([0.5, 1.5], within=(0, 1)),
        "from 0 to 1.*1.5 at member 1",
    ),
    "intervals.iqm": (lambda: intervals.iqm([1.0, NAN, 2.0, 3.0]), "nan at member 1"),
    "intervals.curve_interval": (
        lambda: intervals.curve_interval([[0.1, INF]]),
        "inf at point 0, member 1",
    ),
    "intervals.curve_interval, level": (lambda: intervals.curve_interval(ONES, 1.0), "level"),
    "intervals.probability_of_improvement": (
        lambda: intervals.probability_of_improvement([1.0, NAN], [1.0, 2.0]),
        "nan at member 1",
    ),
    "intervals.check_level": (lambda: intervals.check_level(NAN), "level"),
    "intervals.members_of": (lambda: intervals.members_of("x", [[1, NAN]]), "member 0, task 1"),
    "contrasts.contrast": (lambda: contrasts.contrast([[1.0, NAN], [2.0]]), "group 0 .* member 1"),
    "contrasts.contrast, level": (lambda: contrasts.contrast([[1.0], [2.0]], level=2), "level"),
    "evolution.share_of_members": (
        lambda: evolution.share_of_members([NAN, 1]),
        "happened .* nan at member 0",
    ),
    "evolution.share_of_members, two": (lambda: evolution.share_of_members([2, 1]), "2.0 at memb"),
    "evolution.share_of_members, half": (lambda: evolution.share_of_members([0.5]), "0 or 1"),
    "evolution.innate_share": (lambda: evolution.innate_share([1.0], [INF]), "after .* inf"),
    "evolution.plasticity": (
        lambda: evolution.plasticity(2 * ONES, ONES),
        "on .* from 0 to 1 .* got 2.0",
    ),
    "regression.holm": (lambda: regression.holm([2.0, 0.5]), "2.0 at test 0"),
    "regression.holm, negative": (lambda: regression.holm([0.5, -1.0]), "-1.0 at test 1"),
    "regression.holm, missing": (lambda: regression.holm([0.5, NAN]), "nan at test 1"),
    "continual.recovery_time": (
        lambda: continual.recovery_time([[NAN, 1.0]], 0.5),
        "nan at member 0, point 0",
    ),
    "continual.transfer": (
        lambda: continual.transfer([[[0.5, 1.5], [1.0, 1.0]]]),
        "1.5 at member 0, stage 0, mode 1",
    ),
    "distributional.amount_predictive": (
        lambda: distributional.amount_predictive([0, NAN], 3),
        "index is missing: nan at trial 1",
    ),
    "distributional.arm_predictive": (
        lambda: distributional.arm_predictive([0, NAN], [0, 1]),
        "action is missing: nan at trial 1",
    ),
    "distributional.best_gaussian": (
        lambda: distributional.best_gaussian([0, NAN], [0.5, 0.5]),
        "nan at trial 1",
    ),
    "distributional.bernoulli_expectiles": (
        lambda: distributional.bernoulli_expectiles([1.5], [0.5]),
        "from 0 to 1",
    ),
    "distributional.correlations": (
        lambda: distributional.correlations([0, NAN, 1], [1, 2, 3]),
        "nan at trial 1",
    ),
    "distributional.rank_correlations": (
        lambda: distributional.rank_correlations([0, NAN, 1], [1, 2, 3]),
        "must be a finite number, got nan",
    ),
    "distributional.decode": (
        lambda: distributional.decode([0, NAN], [0.2, 0.4], [0, 1]),
        "nan at trial 1",
    ),
    "distributional.expectiles": (
        lambda: distributional.expectiles([0, NAN], [0.5, 0.5], [0.5]),
        "nan at trial 1",
    ),
    "distributional.simulate_cells": (
        lambda: distributional.simulate_cells([0, NAN], [0.5, 0.5], [0.5]),
        "nan at trial 1",
    ),
    "metacognition.type2_auroc": (
        lambda: metacognition.type2_auroc([[0.5, NAN]], [[1, 0]]),
        "confidence .* nan at",
    ),
    "metacognition.calibration_curve": (
        lambda: metacognition.calibration_curve([[0.5, 1.5]], [[1, 0]]),
        "from 0 to 1.* 1.5 at",
    ),
    "metacognition.calibration_error": (
        lambda: metacognition.calibration_error([[0.5, 0.5]], [[1, -1]]),
        "correct is missing",
    ),
    "metacognition.wager_gain": (
        lambda: metacognition.wager_gain([0.5], [NAN], 0.6),
        "worth .* nan at",
    ),
    "metacognition.dependent_arms_observer": (
        lambda: metacognition.dependent_arms_observer([[0, -1]], [[0, 1]]),
        "action is missing",
    ),
    "metacognition.rating_counts": (
        lambda: metacognition.rating_counts([0, 1], [0, -1], [0.5, 0.5]),
        "response is missing",
    ),
    "metacognition.meta_d": (
        lambda: metacognition.meta_d([[1, 2, 3, NAN], [1, 2, 3, 4]]),
        "counts .* nan at stimulus 0, rating 3",
    ),
    "search.goals_found": (lambda: search.goals_found([[[0.0, NAN]]]), "nan at .* step 1"),
    "search.steps_per_goal": (lambda: search.steps_per_goal([[[0.0, NAN]]], 1), "step 1"),
    "intervals.over_episodes": (lambda: intervals.over_episodes([1.0, NAN]), "episode with NaN"),
    "search.goals_by_step": (lambda: search.goals_by_step([[[0.0, NAN]]]), "step 1"),
    "search.first_and_later": (lambda: search.first_and_later([[[0.0, NAN]]]), "step 1"),
    "search.first_to_second": (lambda: search.first_to_second([[[0.0, NAN]]]), "step 1"),
    "navigation.ends_of_trials": (
        lambda: navigation.ends_of_trials(WALK | {"end_x": np.full((1, 1, 1), NAN)}),
        "end_x at the end .* nan at member 0",
    ),
    "navigation.ends_of_trials, step": (
        lambda: navigation.ends_of_trials(WALK | {"ended": np.full((1, 1, 1), NAN)}),
        "ended is missing: nan at member 0, episode 0, step 0",
    ),
    "navigation.paths": (
        lambda: navigation.paths(WALK | {"x": np.full((1, 1, 1), INF)}),
        "x must be .* inf at member 0",
    ),
    "navigation.arc_length": (lambda: navigation.arc_length([1.0, INF]), "inf at"),
    "navigation.first_to": (
        lambda: navigation.first_to([1, NAN], [[0.5], [0.5]], 0.1),
        "count .* nan at",
    ),
    "observers.simulate_two_step": (
        lambda: observers.simulate_two_step("model_free", learning_rate=1.5),
        "learning_rate .* 1.5",
    ),
    "observers.TwoStepTask": (lambda: observers.TwoStepTask(common=-0.1), "common .* -0.1"),
    "observers.simulate_daw": (
        lambda: observers.simulate_daw("random", np.full((1, 2, 2, 2), 1.5)),
        "p must be .* 1.5",
    ),
    "cognitive_models.probabilities": (
        lambda: cognitive_models.RescorlaWagner().simulate([0.5, 1], [[[0.5, NAN]]]),
        "arm_probabilities .* nan at episode 0, trial 0, column 1",
    ),
    "cognitive_models.parameter_vector": (
        lambda: cognitive_models.RescorlaWagner().simulate([0.5], [[[0.5, 0.5]]]),
        "parameters must be learning_rate, inverse_temperature",
    ),
    "hybrid_model.Hybrid": (lambda: hybrid_model.Hybrid(common=1.5), "common .* 1.5"),
    "two_step.model_based_index": (
        lambda: two_step.model_based_index([1.0, 2.0, 0.0, 0.0]),
        "2.0 at condition 1",
    ),
    "two_step.model_free_index": (
        lambda: two_step.model_free_index([1.0, INF, 0.0, 0.0]),
        "inf at condition 1",
    ),
    "selectivity.history_variables": (
        lambda: selectivity.history_variables(action + 1, reward),
        "from 0 to 1 .* got 2 at member 0",
    ),
    "behaviour.choice_raster": (
        lambda: behaviour.choice_raster([[0, 2]], [[0, 1]], [[0.5, 0.5]], OUT),
        "got 2 at episode 0, trial 1",
    ),
    "behaviour.choice_raster, p": (
        lambda: behaviour.choice_raster([[0, 1]], [[0, 1]], [[0.5, 1.5]], OUT),
        "1.5 at episode 0, arm 1",
    ),
    "behaviour.curves_by_trial": (
        lambda: behaviour.curves_by_trial({"a": [[1.0, INF]]}, OUT, "y"),
        "inf at point 1",
    ),
    "members.scatter_by_member": (
        lambda: members.scatter_by_member({"a": ([[1.0]], [[INF]])}, OUT, "x", "y"),
        "inf at member 0, point 0",
    ),
    "behaviour.hidden_state_pca": (
        lambda: behaviour.hidden_state_pca(np.ones((2, 3, 4)), [NAN, 1.0], OUT),
        "nan at episode 0",
    ),
    "learning.learning_curve": (
        lambda: learning.learning_curve([1], {"a": [[INF]]}, OUT),
        "inf at point 0, member 0",
    ),
    "learning.training_curves": (
        lambda: learning.training_curves({"a": ([1], [[INF]])}, OUT, {}),
        "inf at point 0, member 0",
    ),
    "learning.regret_curves": (lambda: learning.regret_curves([[INF]], {}, OUT), "inf at"),
    "learning.bars_with_members": (
        lambda: learning.bars_with_members({"a": {"b": [1.0, NAN]}}, OUT, "y"),
        "nan at member 1",
    ),
    "continual.stage_matrix": (
        lambda: continual_figures.stage_matrix({"a": np.full((1, 2, 2), 1.5)}, OUT),
        "1.5 at member 0, stage 0, mode 0",
    ),
    "continual.pair_confusion": (
        lambda: continual_figures.pair_confusion({"a": np.full((1, 2, 2), -1.0)}, "xy", OUT),
        "-1.0 at member 0",
    ),
    "continual.against_buffer_size": (
        lambda: continual_figures.against_buffer_size([0], {"a": [[1.0, NAN]]}, OUT, "y"),
        "nan at member 1",
    ),
    "continual.accuracy_through_switches": (
        lambda: continual_figures.accuracy_through_switches([1], {"a": {"b": [[INF]]}}, [], OUT),
        "inf at point 0",
    ),
    "evolution.fitness_by_generation": (
        lambda: evolution_figures.fitness_by_generation([1], {"a": {"b": [[INF]]}}, OUT),
        "inf at point 0",
    ),
    "evolution.gene_curves": (
        lambda: evolution_figures.gene_curves([1], {"a": {"b": [[INF]]}}, OUT),
        "inf at point 0",
    ),
    "evolution.plasticity_curves": (
        lambda: evolution_figures.plasticity_curves({"a": {"b": [[INF]]}}, OUT),
        "inf at point 0",
    ),
    "evolution.allele_frequencies": (
        lambda: evolution_figures.allele_frequencies({"a": {"b": [[INF]]}}, OUT),
        "inf at point 0",
    ),
    "navigation.measures_against_gain": (
        lambda: navigation_figures.measures_against_gain([1], {"a": {"b": [[INF]]}}, OUT),
        "inf at point 0",
    ),
    "navigation.learning_by_trials": (
        lambda: navigation_figures.learning_by_trials([1], {"a": [[INF]]}, OUT),
        "inf at point 0",
    ),
    "navigation.architecture_table": (
        lambda: navigation_figures.architecture_table({"a": {"b": [1.0, NAN]}}, OUT),
        "nan at member 1",
    ),
    "navigation.goals_found_by_step": (
        lambda: navigation_figures.goals_found_by_step({"a": [[INF]]}, OUT),
        "inf at point 0",
    ),
    "navigation.maze_paths": (
        lambda: navigation_figures.maze_paths(["."], [[0, 0]], [[0, -1]], [[0, 1]], [0], OUT),
        "visited is missing: -1 at episode 0, step 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_to_be_there_is_asked_for_in_one_line(name):
    probe, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        probe()
    assert "\n" not in str(caught.value)
    assert not OUT.exists()


# Functions of analysis that take no record: what they take came from one that is in a table above.
OTHERS = {
    "navigation": "rewarded_fraction reward_rate radial_error angular_error boundary_auc"
    " paths_from_above",  # of `Trials`, whose making is tested; the last draws gaps
    "fixed_points": "jacobian line",  # of what `fixed_points` takes and finds
    "similarity": "to_rsatoolbox linear_step dynamical_similarity",  # by `delay_embedding`
    "encoding": "shifts",  # of a number of sessions
    "scoring": "drift_terms blocks scorer share",  # of a number of trials; of what is checked
    "populations": "split_units",  # of a measure that is in the table
    "cognitive_models": "log_softmax softmax_choice",
    "findings": "table number span tally tally_text",
    "distributional": "asymmetries reversal_points logit"  # NaN of what is missing
    " responses_by_outcome head_levels",  # NaN where no outcome is; takes none
    "optimism": "unit_optimism linear_units",  # of complete records, tested with them
    "medians": "median trials_to_criterion",  # refuse what is missing; tested where they are
    "trials": "error_curves responses",  # draw errors that a learner reports, complete
    "portrait": "choices_by_trial outcome_by_trial states_or_values",  # draw by functions above
    "probes": "matching_figure history_figure calibration_figure",
    "subjects": "stay_figure change_figure recovery_figure confusion_figure",  # of fits
    "style": "drawing each colours gradient smoothed mean_and_members draw_curves dots_and_interval"
    " draw_table reference_lines legend_below hide_spines label_ends step_unit",
}


def test_every_public_function_is_in_a_table():
    known = {name.partition(",")[0] for name in [*PROBES, *REFUSED]}
    known |= {f"{module}.{name}" for module, names in OTHERS.items() for name in names.split()}
    for module in pkgutil.walk_packages(prefrontal.analysis.__path__, "prefrontal.analysis."):
        if module.ispkg or module.name == "prefrontal.analysis.missing":
            continue
        found = inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
        for name, function in found:
            if not name.startswith("_") and function.__module__ == module.name:
                assert f"{module.name.rpartition('.')[2]}.{name}" in known


def test_a_reward_that_is_missing_teaches_nothing_but_its_choice_counts():
    """Q: (0, 0), then (.5, 0) by the first reward; the second is missing, so (.5, 0) stays."""
    data = cognitive_models.choice_data([0, 0, 1, 0], [1.0, NAN, 0.0, 1.0])
    model = cognitive_models.RescorlaWagner(0.0)
    values = model.values(np.array([[0.5, 2.0]]), data)[0, 0]
    np.testing.assert_allclose(values, [[0, 0], [0.5, 0], [0.5, 0], [0.5, 0]])
    found = model.log_likelihood(np.array([[0.5, 2.0]]), data)[0]
    by_hand = -np.log(2) - 2 * np.log(1 + np.exp(-1)) - np.log(1 + np.exp(1))
    assert found == pytest.approx(by_hand)
    assert data.choices == 4


def test_forms_of_missing_are_one():
    for values in ([1, None, 0], [1, NAN, 0], [1, -1, 0], np.ma.masked_values([1, 7, 0], 7)):
        assert codes("x", values, 2).tolist() == [1, -1, 0]
    np.testing.assert_array_equal(numbers("x", [1.5, None]), [1.5, NAN])
    np.testing.assert_array_equal(numbers("x", np.ma.masked_invalid([1.5, INF])), [1.5, NAN])
    with pytest.raises(ValueError, match=r"x must be numbers, got 'a' at episode 1, trial 0"):
        codes("x", [[1, 0], ["a", 1]])
    with pytest.raises(ValueError, match="x must be a regular array"):
        codes("x", [[1, 0], [1]])
    with pytest.raises(NotMeasurableError, match="x is missing: -1 at trial 1"):
        codes("x", [0, -1], complete=True)


def test_packing_moves_missing_trials_to_the_end():
    absent = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]])
    (found,) = packed(absent, np.arange(12).reshape(3, 4))
    assert found.tolist() == [[0, 2, 3, 1], [4, 5, 6, 7], [11, 8, 9, 10]]


def test_variables_of_the_trial_before_follow_positions():
    """Activity belongs to its step: after a missing trial nothing is known of the one before."""
    gap, paid = action.copy(), reward.copy()
    gap[0, 1, 4], paid[0, 2, 6] = -1, NAN
    found, whole = (selectivity.history_variables(a, r) for a, r in ((gap, paid), (action, reward)))
    lost = np.zeros((M, E, T - 1), bool)
    lost[0, 1, 4] = True
    np.testing.assert_array_equal(np.isnan(found["previous action"]), lost)
    same = ~np.isnan(found["previous reward"])
    np.testing.assert_array_equal(found["previous reward"][same], whole["previous reward"][same])
    assert (~same).sum() == 1


def test_a_missing_trial_is_drawn_white(tmp_path):
    path = behaviour.choice_raster([[0, -1, 1]], [[1, NAN, 0]], [[0.2, 0.8]], tmp_path / "a.png")
    assert path.exists()
    behaviour.hidden_state_pca(
        np.insert(hidden[0], 3, NAN, axis=1), np.linspace(-1, 1, E), tmp_path / "b.png"
    )
    behaviour.curves_by_trial({"a": [[NAN, 0.5], [0.5, 0.5]]}, tmp_path / "c.png", "y")
