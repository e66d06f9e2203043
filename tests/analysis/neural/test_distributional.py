"""Expectiles, predictive probabilities, reversal points and decoding against known answers."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from prefrontal.analysis.neural.distributional import (
    amount_predictive,
    arm_predictive,
    asymmetries,
    bernoulli_expectiles,
    best_gaussian,
    correlations,
    decode,
    expectiles,
    head_levels,
    logit,
    rank_correlations,
    responses_by_outcome,
    reversal_points,
    simulate_cells,
)


def test_expectiles_by_hand():
    # 0 or 1 with p = .5: τ (1 - e) = (1 - τ) e, so e = τ
    np.testing.assert_allclose(expectiles([0, 1], [0.5, 0.5], [0.25, 0.75]), [0.25, 0.75])
    # 0, 1, 4 with 1/2, 1/4, 1/4. τ = .5: the mean, 1.25. τ = .8: .2 (e/2 + (e - 1)/4) =
    # .8 (4 - e)/4, .15 e - .05 = .8 - .2 e, e = .85/.35
    p = [0.5, 0.25, 0.25]
    np.testing.assert_allclose(expectiles([0, 1, 4], p, [0.5, 0.8]), [1.25, 0.85 / 0.35])
    # τ = .2: .8 e/2 = .2 ((1 - e)/4 + (4 - e)/4), .5 e = .25, e = .5
    np.testing.assert_allclose(expectiles([0, 1, 4], p, [0.2]), [0.5])
    np.testing.assert_allclose(expectiles([0, 1, 4], [0, 1, 0], [0.1, 0.9]), [1, 1])  # certain


def test_expectiles_solve_their_condition():
    rng = np.random.default_rng(0)
    x, p, tau = np.sort(rng.random(7)), rng.dirichlet(np.ones(7), (3, 5)), head_levels(9)
    e = expectiles(x, p, tau)
    assert e.shape == (3, 5, 9)
    distance = x - e[..., None]
    share = np.abs(tau[:, None] - (distance < 0))
    np.testing.assert_allclose((p[..., None, :] * share * distance).sum(-1), 0, atol=1e-12)


def test_of_a_bernoulli_reward_they_are_the_closed_form():
    p, tau = np.array([0.1, 0.5, 0.93]), head_levels(9)
    exact = bernoulli_expectiles(p, tau)
    np.testing.assert_allclose(exact, expectiles([0, 1], np.stack([1 - p, p], -1), tau))
    np.testing.assert_allclose(logit(exact), logit(p)[:, None] + logit(tau))


def test_levels_and_probabilities_are_checked():
    with pytest.raises(ValueError, match="levels must lie between 0 and 1"):
        bernoulli_expectiles(0.5, [0.0, 0.5])
    with pytest.raises(ValueError, match="amounts must rise"):
        expectiles([1, 0], [0.5, 0.5], [0.5])
    with pytest.raises(ValueError, match="sum to 1"):
        expectiles([0, 1], [0.5, 0.4], [0.5])


def test_predictive_probabilities_by_hand():
    action, reward = [0, 0, 1], [1, 0, 1]
    independent = arm_predictive(action, reward)
    np.testing.assert_allclose(independent, [[1 / 2, 1 / 2], [2 / 3, 1 / 2], [1 / 2, 1 / 2]])
    dependent = arm_predictive(action, reward, dependent=True)
    np.testing.assert_allclose(dependent, [[1 / 2, 1 / 2], [2 / 3, 1 / 3], [1 / 2, 1 / 2]])
    after_loss = arm_predictive([1, 0], [0, 0], dependent=True)[1]
    np.testing.assert_allclose(after_loss, [2 / 3, 1 / 3])
    np.testing.assert_allclose(
        amount_predictive([2, 2, 0], 3), [[1 / 3] * 3, [1 / 4, 1 / 4, 1 / 2], [1 / 5, 1 / 5, 3 / 5]]
    )


def test_reversal_points_by_hand():
    amounts = [0.0, 1.0, 3.0]
    np.testing.assert_allclose(reversal_points(amounts, [-1.0, 1.0, 2.0]), 0.5)
    np.testing.assert_allclose(reversal_points(amounts, [[-2, -1, 1], [1, 2, 3]]), [2.0, 0.0])
    np.testing.assert_allclose(reversal_points(amounts, [-3, -2, -1]), 3.0)
    e = np.array([0.3, 1.7])  # prediction errors r - e turn at e, wherever e lies
    np.testing.assert_allclose(reversal_points(amounts, np.array(amounts) - e[:, None]), e)


def test_reversal_points_where_responses_lack():
    nan = np.nan
    # -2 at 1 and 1 at 3 are joined: 1 + 2 * 2/3
    found = reversal_points([1, 2, 3], [[-2, nan, 1], [-2, 0, 1], [-1, 1, nan], [-3, -2, -1]])
    np.testing.assert_allclose(found, [7 / 3, 2, 1.5, 3])
    unknown = [[-1, nan, nan], [-2, -1, nan], [nan, 1, 2], [nan, nan, nan], [0, 0, 0]]
    assert np.isnan(reversal_points([1, 2, 3], unknown)).all()
    assert np.isnan(reversal_points([1, 2, 3], [0, 0, 0]))
    assert reversal_points([1, 2, 3], np.full((2, 4, 3), nan)).shape == (2, 4)


@pytest.mark.parametrize(
    ("amounts", "responses"),
    [([3, 2, 1], [-1, 0, 1]), ([1, 2], [-1, 0, 1]), ([1, 2, 3], [-1, 1]), ([], []), ([1], 1.0)],
)
def test_reversal_points_refuse_amounts_that_do_not_fit(amounts, responses):
    with pytest.raises(ValueError, match="amounts must rise, one a response"):
        reversal_points(amounts, responses)


def test_a_missing_reward_teaches_nothing():
    found = arm_predictive([0, 0, 1], [np.nan, 0, 1])
    np.testing.assert_allclose(found, [[1 / 2, 1 / 2], [1 / 2, 1 / 2], [1 / 3, 1 / 2]])
    with pytest.raises(ValueError, match=r"action and reward must be \[..., T\] alike"):
        arm_predictive([0, 1], [1])


def test_mean_responses_by_outcome():
    outcome = np.array([[[0, 1], [1, 1]]])
    response = np.array([[[[1.0, 0.0], [2.0, 0.0]], [[4.0, 0.0], [6.0, 3.0]]]])
    np.testing.assert_allclose(responses_by_outcome(outcome, response, 2), [[[1, 4], [0, 1]]])


def test_asymmetries_by_hand():
    error = np.array([-2.0, -1.0, 1.0, 3.0])
    assert asymmetries(error, np.where(error > 0, 0.3, 0.1) * error) == pytest.approx(0.75)
    assert asymmetries(error, np.abs(error)) == pytest.approx(1.0)  # no slope below counts as 0
    assert np.isnan(asymmetries([1.0, 2.0], [1.0, 2.0]))


def test_correlations_of_rows():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 3, 20))
    wanted = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(correlations(x, y), wanted)
    assert rank_correlations([1, 2, 3], [1, 10, 100]) == pytest.approx(1.0)
    assert correlations([1, 1, 1], [1, 2, 3]) == 0.0
    assert correlations([0.1] * 3, [0.1] * 3) == 0.0  # though their mean is not .1
    assert correlations([0.1] * 3, [1, 2, 3]) == 0.0
    for pair in (([], []), ([1, 2], [1]), (1, 2)):
        with pytest.raises(ValueError, match="N >= 1 alike"):
            correlations(*pair)


def test_a_distribution_of_few_amounts_is_decoded():
    grid, tau = np.linspace(0, 10, 21), head_levels(9)
    p = np.zeros(21)
    p[[2, 9, 18]] = 0.5, 0.3, 0.2
    values = expectiles(grid, p, tau)
    found = decode(values, tau, grid)
    np.testing.assert_allclose(expectiles(grid, found, tau), values, atol=1e-3)
    assert found @ grid == pytest.approx(p @ grid, abs=1e-3)
    assert found.sum() == pytest.approx(1.0)
    assert wasserstein_distance(grid, grid, found, p) < 0.25  # not unique above the last level


@pytest.mark.parametrize(
    ("values", "levels", "grid", "wrong"),
    [
        ([1], [0.5], [1], "grid must be"),
        ([1], [0.5], [], "grid must be"),
        ([], [], [0, 1], "values must be"),
        ([1, 2], [0.5], [0, 1], "values must be"),
        ([[1]], [0.5], [0, 1], "values must be"),
    ],
)
def test_what_cannot_be_decoded_is_refused(values, levels, grid, wrong):
    with pytest.raises(ValueError, match=wrong):
        decode(values, levels, grid)


@pytest.mark.parametrize(
    ("amounts", "p", "wrong"),
    [
        ([0, 1], [0.2, 0.2], "sum to 1"),
        ([0, 1], [0.2, 0.3, 0.5], "one a probability"),
        ([1, 0], [0.5, 0.5], "amounts must rise"),
        ([0, 1], [[0.5, 0.5]], "of one distribution"),
    ],
)
def test_the_best_gaussian_is_that_of_one_distribution(amounts, p, wrong):
    with pytest.raises(ValueError, match=wrong):
        best_gaussian(amounts, p)


def test_the_best_gaussian_of_two_amounts():
    # Quantiles of both are symmetric about 1/2, so the mean is 1/2 and W1 = E |s |z| - 1/2|. It is
    # least where |z| below 1 / 2s and above it have E |z| alike: 1 - exp(-1 / 8s²) = 1/2.
    s = 1 / np.sqrt(8 * np.log(2))
    z = np.abs(np.random.default_rng(0).normal(size=400_000))
    assert best_gaussian([0, 1], [0.5, 0.5]) == pytest.approx(np.abs(s * z - 0.5).mean(), abs=2e-3)


def test_coupled_cells_learn_expectiles_and_uncoupled_ones_do_not():
    amounts, p, tau = np.array([0.0, 1.0, 4.0]), np.array([0.5, 0.25, 0.25]), head_levels(9)
    coupled = simulate_cells(amounts, p, tau, trials=8_000, rate=0.01, seed=0)
    np.testing.assert_allclose(
        coupled.values[..., -5000:].mean((0, 2)), expectiles(amounts, p, tau), atol=0.05
    )
    uncoupled = simulate_cells(amounts, p, tau, trials=8_000, rate=0.01, seed=0, coupled=False)
    late = uncoupled.values[..., -5000:].mean((0, 2))
    assert np.ptp(late) < 0.1 * np.ptp(expectiles(amounts, p, tau))
    for cells in (coupled, uncoupled):  # responses are the errors, scaled by their sign
        np.testing.assert_allclose(
            asymmetries(cells.errors, cells.responses).mean(0), tau, atol=1e-6
        )
