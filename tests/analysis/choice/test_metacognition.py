"""Measures of confidence against numbers by hand, simulated observers, and metadpy."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from prefrontal.analysis.choice.hoss import HigherOrderObserver
from prefrontal.analysis.choice.metacognition import (
    calibration_curve,
    calibration_error,
    dependent_arms_observer,
    meta_d,
    rating_counts,
    type2_auroc,
    wager_gain,
)


def test_type_2_auroc_counts_pairs_and_ties_half():
    """Right: .9, .5; wrong: .5, .2. Of four pairs three are won and one is a tie: 3.5 / 4."""
    found = type2_auroc([[0.9, 0.5, 0.5, 0.2], [1, 1, 1, 1]], [[1, 1, 0, 0], [1, 0, 1, 0]])
    assert found == pytest.approx([0.875, 0.5])
    assert np.isnan(type2_auroc([[0.9, 0.5]], [[1, 1]]))


def test_calibration_error_is_the_weighted_distance_of_bins():
    """Bins (.2, .4) with 1 of 2 right, |.5 - .3| = .2, and (.6, .9) with 2 of 2, .25; half each."""
    held, right = [[0.2, 0.6, 0.4, 0.9]], [[1, 1, 0, 1]]
    curve = np.stack(calibration_curve(held, right, bins=2))[:, 0]
    np.testing.assert_allclose(curve, [[0.3, 0.75], [0.5, 1.0], [0.5, 0.5]])
    assert calibration_error(held, right, bins=2) == pytest.approx([0.225])
    empty = calibration_curve([[1.0, 0.9]], [[1, 0]], bins=4)
    assert np.isnan(empty[0][0, :3]).all()
    assert empty[2][0].tolist() == [0, 0, 0, 1]


def test_wagers_gain_where_confidence_is_below_what_is_safe():
    """Opting out at .5 of a choice worth .4 gains .2, of one worth .7 loses .1; at .6 one stays."""
    found = wager_gain([0.5, 0.5, 0.6], [0.4, 0.7, 0.0], 0.6)
    assert found == pytest.approx([0.2, -0.1, 0.0])


def test_the_observer_of_dependent_arms_by_hand():
    """Arm 1 pays, then arm 0 does: Beta(2, 1) after one win, Beta(2, 2) after both.

    P(p1 > .5) is 1/2, then 1 - .5^2 = .75, then 1/2 again; E[p1] is 1/2, 2/3, 1/2.
    """
    right, paid = dependent_arms_observer([[1, 0, 0]], [[1, 1, 0]])
    assert right[0] == pytest.approx([0.5, 0.25, 0.5])
    assert paid[0] == pytest.approx([0.5, 1 / 3, 0.5])


def test_the_observer_knows_the_bands_of_its_tasks():
    """The better arm pays with .8 for sure, almost: after one win of arm 1, .8 to .2 for it."""
    right, paid = dependent_arms_observer([[1, 1]], [[1, 0]], [[0.8 - 1e-6, 0.8 + 1e-6]])
    assert right[0] == pytest.approx([0.5, 0.8], abs=1e-5)
    assert paid[0, 1] == pytest.approx(0.8 * 0.8 + 0.2 * 0.2, abs=1e-5)


def exact_observer(wins, losses, low, high):
    """The same for one band and arm 1, in rational numbers: integrals of polynomials."""

    def mass(a, b):  # of p^a (1 - p)^b: times (b choose k) (-p)^k, term by term
        low_, high_ = Fraction(low), Fraction(high)
        terms = ((-1) ** k * comb(b, k) * Fraction(1, a + k + 1) for k in range(b + 1))
        powers = (high_ ** (a + k + 1) - low_ ** (a + k + 1) for k in range(b + 1))
        return sum(term * power for term, power in zip(terms, powers, strict=True))

    first, second = mass(wins, losses), mass(losses, wins)
    paying = mass(wins + 1, losses) + mass(losses, wins + 1)
    return float(first / (first + second)), float(paying / (first + second))


@pytest.mark.parametrize("band", [("4/5", "1"), ("3/4", "7501/10000"), ("1/2", "11/20")])
def test_the_observer_is_exact_where_bands_hold_almost_nothing(band):
    action, reward = np.ones(121, int), np.repeat([1, 0, 1], [60, 60, 1])
    limits = [float(Fraction(end)) for end in band]
    right, paid = dependent_arms_observer(action, reward, [limits])
    for t in (10, 59, 61, 75, 119, 120):
        wins = int(reward[:t].sum())
        wanted = exact_observer(wins, t - wins, *band)
        assert (right[t], paid[t]) == pytest.approx(wanted, abs=1e-11)


def test_the_observer_does_not_underflow():
    action, reward = np.ones(400, int), np.repeat([1, 0], 200)
    for better in ([[0.8, 1.0]], [[0.9, 0.95], [0.97, 1.0]]):
        right, paid = dependent_arms_observer(action, reward, better)
        assert ((right >= 0) & (right <= 1) & (paid >= 0) & (paid <= 1)).all()
        assert (np.diff(paid[:201]) > -1e-9).all()
        assert (np.diff(paid[201:]) < 1e-9).all()
    both, _ = dependent_arms_observer(np.ones(401, int), np.append(reward, 1), [[0.8, 1.0]])
    assert both[400] == pytest.approx(0.5, abs=1e-12)  # as many for either arm


@pytest.mark.parametrize(
    ("better", "wrong"),
    [
        (np.zeros((0, 2)), r"bands \[n, 2\]"),
        ([0.5, 1.0], r"bands \[n, 2\]"),
        ([[0.75, 0.75]], r"from low to high, got \[0.75, 0.75\]"),
        ([[0.5, 0.6], [1.0, 0.7]], r"from low to high, got \[1, 0.7\]"),
    ],
)
def test_what_is_no_band_is_refused(better, wrong):
    with pytest.raises(ValueError, match=wrong):
        dependent_arms_observer([[0, 1]], [[0, 1]], better)


def test_measures_of_no_choice_are_missing():
    none = np.zeros((2, 0))
    assert np.isnan(type2_auroc(none, none)).all()
    assert np.isnan(calibration_error(none, none)).all()
    assert np.isnan(calibration_curve(none, none)[2]).all()


@pytest.mark.parametrize(
    ("measure", "wrong"),
    [
        (lambda: dependent_arms_observer([[0, 1]], [[0]]), "action and reward must be"),
        (lambda: dependent_arms_observer(1, 1), "got one number"),
        (lambda: type2_auroc(np.zeros((0, 3)), np.zeros((0, 3))), "at least one member"),
        (lambda: type2_auroc(np.zeros((2, 3, 4, 1)), np.zeros((2, 3, 4))), r"confidence\[..., 0\]"),
        (lambda: calibration_curve([[0.5]], [[1]], bins=2.5), "bins must be at least 1, a whole"),
        (lambda: calibration_curve([[0.5]], [[1]], bins=0), "bins must be at least 1, a whole"),
        (lambda: wager_gain([0.5, 0.6], [1.0], 0.6), r"alike, got \(2,\), \(1,\)$"),
        (lambda: rating_counts([], [], []), "at least one choice"),
        (lambda: rating_counts([0, 1], [0, 1], [0.5]), "alike"),
        (lambda: rating_counts([0, 1], [0, 1], [0.1, 0.5], 2.5), "ratings must be at least 2, a"),
        (lambda: meta_d(rating_counts([0, 1], [0, 1], [1, 1])), "confidence does not vary"),
        (lambda: meta_d([[1, 2, 3, 4], [0, 0, 0, 0]]), "no choice on stimulus 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(measure, wrong):
    with pytest.raises(ValueError, match=wrong) as error:
        measure()
    assert "\n" not in str(error.value)


def simulated(noise, d=1.5, criterion=0.2, n=20_000):
    """An observer whose confidence is the distance from its criterion, after more noise."""
    rng = np.random.default_rng(0)
    stimulus = rng.integers(0, 2, n)
    seen = rng.normal(size=n) + (stimulus - 0.5) * d
    response = (seen > criterion).astype(int)
    again = seen + noise * rng.normal(size=n)
    return stimulus, response, np.where(response == 1, 1, -1) * (again - criterion)


def test_an_ideal_observer_has_an_m_ratio_of_one_and_a_noisy_one_less():
    fit = meta_d(rating_counts(*simulated(0.0)))
    assert fit.d == pytest.approx(1.5, abs=0.06)
    assert fit.criterion == pytest.approx(0.2, abs=0.03)
    assert fit.ratio == pytest.approx(1.0, abs=0.06)
    assert meta_d(rating_counts(*simulated(1.0))).ratio < 0.7


def test_ratings_are_mirrored_at_the_choice():
    """Confidence 1, 2, 3, 4 in two ratings; choices of 0 are counted from the most confident."""
    found = rating_counts([0, 0, 1, 1], [0, 0, 1, 0], [4.0, 1.0, 3.0, 2.0], ratings=2)
    assert found.tolist() == [[1, 1, 0, 0], [0, 1, 0, 1]]
    assert rating_counts([0, 1], [0, 1], [1.0, 1.0]).tolist() == [[1, 0], [0, 1]]  # one rating


# Counts, and the results of metadpy 0.1.2 (`fit_metad`): d', meta-d', log-likelihood
GOLDEN = [
    (
        [[36, 24, 17, 20, 10, 12, 9, 2], [1, 4, 10, 11, 19, 18, 28, 39]],
        (1.504056501139433, 1.460668585557371, -343.21426522175295),
    ),
    (
        [[252, 175, 83, 61, 44, 31, 22, 9], [5, 14, 31, 64, 70, 101, 187, 240]],
        (2.0026384543417146, 2.14354341915781, -1736.9681423679615),
    ),
    (
        [
            [2604, 2136, 1866, 1674, 640, 522, 366, 239],
            [401, 663, 855, 1016, 1670, 1757, 1835, 1756],
        ],
        (1.470373000140075, 0.7950574345710555, -27351.145631263043),
    ),
]


@pytest.mark.parametrize(("counts", "theirs"), GOLDEN)
def test_meta_d_is_that_of_metadpy(counts, theirs):
    fit = meta_d(counts)
    assert (fit.d, fit.meta_d, fit.log_likelihood) == pytest.approx(theirs, abs=2e-4)


def test_empty_cells_are_padded_and_chance_is_refused():
    assert np.isfinite(meta_d([[5, 4, 1, 0], [0, 1, 4, 5]]).ratio)
    with pytest.raises(ValueError, match="d' is 0"):
        meta_d([[5, 5, 5, 5], [5, 5, 5, 5]])


class TestHigherOrderObserver:
    def test_half_way_between_nothing_and_left(self):
        """The sample (2, .5): as likely under nothing as under left; right is e^-4.5 as likely.

        Priors 1/2, 1/4, 1/4 give 1/2, 1/4 and .0111 / 4 before normalisation.
        """
        found = HigherOrderObserver().infer([2.0, 0.5])
        assert found.world == pytest.approx([0.664, 0.332, 0.004], abs=5e-4)
        assert found.aware == pytest.approx(0.336, abs=5e-4)
        by_hand = 0.664207 * np.log(0.664207 / 0.5) + 0.335793 * np.log(0.335793 / 0.5)
        assert found.surprise_aware == pytest.approx(by_hand, abs=1e-5)

    def test_precision_is_one_over_the_variance_and_the_prior_counts(self):
        """At (3, .5), squared distances 6.25 from nothing and .25 from left; priors .8 and .1."""
        found = HigherOrderObserver(precision=4.0, prior_aware=0.2).infer([3.0, 0.5])
        ratio = 0.8 * np.exp(-2 * 6.25) / (0.1 * np.exp(-2 * 0.25))
        assert found.world[0] / found.world[1] == pytest.approx(ratio, rel=1e-6)

    def test_a_sample_that_says_nothing_leaves_the_priors(self):
        found = HigherOrderObserver(precision=0.0, prior_aware=0.2).infer(np.zeros((5, 2)))
        np.testing.assert_allclose(found.world, np.tile([0.8, 0.1, 0.1], (5, 1)))
        np.testing.assert_allclose(found.surprise_world, 0.0, atol=1e-12)

    @pytest.mark.parametrize("precision", [1.0, 1000.0, 1e12])
    def test_what_cannot_be_is_never_believed(self, precision):
        nothing = HigherOrderObserver(precision=precision, prior_aware=0.0).infer([3.5, 0.5])
        assert nothing.world.tolist() == [1.0, 0.0, 0.0]
        assert (nothing.aware, nothing.surprise_world, nothing.surprise_aware) == (0.0, 0.0, 0.0)
        aware = HigherOrderObserver(precision=precision, prior_aware=1.0).infer([0.5, 0.5])
        assert aware.world.tolist() == [0.0, 0.5, 0.5]
        assert (aware.aware, aware.surprise_world, aware.surprise_aware) == (1.0, 0.0, 0.0)

    def test_it_is_bayes_rule(self):
        rng = np.random.default_rng(0)
        sample = rng.normal(size=(50, 2)) * 3
        found = HigherOrderObserver(2.0, 1.5, 0.3).infer(sample)
        means = np.array([(0.5, 0.5), (2.0, 0.5), (0.5, 2.0)])
        squares = ((sample[:, None] - means) ** 2).sum(-1)
        joint = np.array([0.7, 0.15, 0.15]) * np.exp(-0.75 * squares)
        np.testing.assert_allclose(found.world, joint / joint.sum(-1, keepdims=True), rtol=1e-9)

    @pytest.mark.parametrize("sample", [[0.5], 0.5, [0.5, 0.5, 0.5], []])
    def test_a_sample_is_two_numbers(self, sample):
        with pytest.raises(ValueError, match=r"sample must be \[\.\.\., 2\]"):
            HigherOrderObserver().infer(sample)
