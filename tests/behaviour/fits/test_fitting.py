"""Fits against estimates and integrals known by other means."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from prefrontal.behaviour.fits.fitted import FittedModel
from prefrontal.behaviour.fits.fitting import fit
from prefrontal.behaviour.fits.likelihood import Gaussian, Likelihood, Point, expand
from prefrontal.behaviour.fits.new_subjects import predictive
from prefrontal.behaviour.fits.optimise import laplace, newton, search
from prefrontal.behaviour.models.catalogue import find, names
from prefrontal.behaviour.models.model import Parameter
from prefrontal.behaviour.table import behaviour

RW = find("rw")
NAMES = ("learning_rate", "inverse_temperature")


def coins(firsts, trials):
    """Subjects that choose the first arm so many times."""
    choice = np.ones((len(firsts), trials), int)
    for row, count in zip(choice, firsts, strict=True):
        row[:count] = 0
    return behaviour(choice, np.ones(choice.shape))


def played(subjects=6, trials=60, seed=0, rate=0.5, inverse=3.0):
    """Choices of Rescorla-Wagner at a reversal."""
    rng = np.random.default_rng(seed)
    choice, reward = np.zeros((2, subjects, trials), int)
    for s in range(subjects):
        q = np.zeros(2)
        for t in range(trials):
            choice[s, t] = c = int(rng.random() < 1 / (1 + np.exp(inverse * (q[0] - q[1]))))
            reward[s, t] = r = rng.random() < (0.8 if (t // 20) % 2 == c else 0.2)
            q[c] += rate * (r - q[c])
    return behaviour(choice, reward.astype(float))


def test_maximum_likelihood_of_a_coin():
    """Of 30 in 40: log-odds log 3, with variance 1 / 30 + 1 / 10, and BIC with log 40."""
    found = fit(coins([30, 10], 40), [find("biased-random")], "ml")["biased-random"]
    assert np.abs(found.raw[:, 0]) == pytest.approx([np.log(3)] * 2, abs=1e-6)
    assert found.covariance[:, 0, 0] == pytest.approx([1 / 30 + 1 / 10] * 2)
    log_likelihood = 30 * np.log(0.75) + 10 * np.log(0.25)
    assert found.log_likelihood == pytest.approx([log_likelihood] * 2)
    assert found.bic == pytest.approx([-2 * log_likelihood + np.log(40)] * 2)
    assert found.evidence == pytest.approx(-found.bic / 2)
    assert not found.at_bound.any()
    assert not found.not_converged.any()


def test_a_parameter_that_runs_away_is_flagged():
    found = fit(coins([40, 25], 40), [find("biased-random")], "ml")["biased-random"]
    assert found.at_bound[:, 0].tolist() == [True, False]
    assert found.not_identified[:, 0].tolist() == [True, False]


def test_pooled_subjects_share_one_estimate_and_pay_for_it_once():
    found = fit(coins([30, 10, 38], 40), [find("biased-random")], "pooled")["biased-random"]
    p = 78 / 120
    assert np.abs(found.raw[:, 0]) == pytest.approx([np.log(p / (1 - p))] * 3, abs=1e-6)
    total = 78 * np.log(p) + 42 * np.log(1 - p)
    assert found.log_likelihood.sum() == pytest.approx(total)
    assert found.bic.sum() == pytest.approx(-2 * total + np.log(120))


def test_the_evidence_is_near_the_integral():
    found = fit(coins([130, 90], 200), [find("biased-random")], "map")["biased-random"]
    for count, evidence in zip((130, 90), found.evidence, strict=True):

        def density(x, count=count):
            up, down = -np.logaddexp(0, -x), -np.logaddexp(0, x)
            return np.exp(count * up + (200 - count) * down + 120) * norm.pdf(x, 0, 2.5)

        exact = np.log(quad(density, -10, 10, epsabs=0)[0]) - 120
        assert evidence == pytest.approx(exact, abs=0.01)


def test_gradients_and_hessians_are_those_of_differences():
    likelihood = Likelihood(RW, played(3, 30))
    x = torch.tensor([[0.3, 0.5], [-1.0, 1.5], [0.0, 0.0]], dtype=torch.float64)
    point = expand(likelihood, x)
    step = 1e-4
    for d in range(2):
        move = torch.zeros(2, dtype=torch.float64)
        move[d] = step
        up, down = expand(likelihood, x + move), expand(likelihood, x - move)
        slope = (up.value - down.value) / (2 * step)
        curve = (up.gradient - down.gradient) / (2 * step)
        torch.testing.assert_close(slope, point.gradient[:, d], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(curve, point.hessian[:, d], rtol=1e-5, atol=1e-6)


def test_the_unit_of_reward_does_not_matter():
    table = played(3, 40)
    many = behaviour(table.choice, 1000 * table.reward)
    for method in ("ml", "em"):
        one, other = (fit(data, [RW], method)["rw"] for data in (table, many))
        assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-9)
        assert other.evidence == pytest.approx(one.evidence, abs=1e-9)
        inverse = one.parameters["inverse_temperature"] / 1000
        assert other.parameters["inverse_temperature"] == pytest.approx(inverse)
    assert other.score(many) == pytest.approx(one.score(table))


def test_a_learning_rate_without_rewards_is_not_identified():
    """Without rewards values stay equal, and choices say nothing of either parameter."""
    table = behaviour([[0, 1, 1, 0] * 10], np.zeros((1, 40)))
    found = fit(table, [RW], "map")["rw"]
    assert found.not_identified.all()
    assert found.log_likelihood == pytest.approx([40 * np.log(0.5)])
    assert found.evidence == pytest.approx([40 * np.log(0.5)])
    assert fit(table, [RW], "ml")["rw"].not_identified.all()


def test_a_hessian_that_is_not_positive_definite_is_flagged_and_bounded():
    """Eigenvalues -5 + 0.25 and 3 + 0.25: the first becomes the prior's 0.25."""
    two = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    point = Point(two, torch.tensor([7.0]), two, torch.diag(torch.tensor([-5.0, 3.0]))[None])
    prior = Gaussian(torch.zeros(2), torch.full((2,), 4.0))
    found = laplace(prior, point)
    assert found.positive.tolist() == [False]
    log_prior = -np.log(2 * np.pi * 4)
    expected = -7 + log_prior + np.log(2 * np.pi) - 0.5 * np.log(0.25 * 3.25)
    assert float(found.evidence) == pytest.approx(expected, abs=1e-6)


class Wells:
    """Minus log likelihood (x^2 - 1)^2 + 0.3 x, the deeper well near -1; rows are shifted."""

    shifts = torch.tensor([0.0, 2.0], dtype=torch.float64)

    def of(self, raw, rows=None):
        x = raw[..., 0] - self.shifts[torch.arange(2) if rows is None else torch.as_tensor(rows)]
        return -((x**2 - 1) ** 2 + 0.3 * x)


def test_a_search_finds_the_deeper_well_and_newton_its_ground():
    prior = Gaussian(torch.zeros(1), torch.full((1,), 1e6))
    points = torch.linspace(-3, 3, 8, dtype=torch.float64).view(8, 1, 1).expand(8, 2, 1)
    x = search(Wells(), prior, points, starts=8)
    point = newton(Wells(), prior, expand(Wells(), x))
    ground = np.roots([4, 0, -4, 0.3]).min()
    assert point.x[:, 0].numpy() == pytest.approx([ground, ground + 2], abs=1e-5)


def test_newton_leaves_a_saddle():
    prior = Gaussian(torch.zeros(1), torch.full((1,), 1e6))
    start = torch.tensor([[0.08], [2.08]], dtype=torch.float64)  # beside the top between the wells
    point = newton(Wells(), prior, expand(Wells(), start))
    assert (point.hessian > 0).all()


def test_the_population_of_coins_is_found():
    """Log-odds N(1, 0.5^2); 80 subjects of 200 choices."""
    rng = np.random.default_rng(1)
    raw = rng.normal(1.0, 0.5, 80)
    firsts = rng.binomial(200, 1 / (1 + np.exp(-raw)))
    found = fit(coins(firsts, 200), [find("biased-random")], "em")["biased-random"]
    assert abs(found.mean[0]) == pytest.approx(raw.mean(), abs=0.06)
    assert found.variance[0] ** 0.5 == pytest.approx(raw.std(), abs=0.08)
    # Subjects are drawn towards the population.
    alone = fit(coins(firsts, 200), [find("biased-random")], "ml")["biased-random"]
    assert found.raw.std() < alone.raw.std()


def test_two_groups_are_told_apart_together():
    """20 subjects that learn and 10 coins of one bias, at hierarchical Bayesian inference."""
    learners, rng = played(20, 80), np.random.default_rng(0)
    choice = np.concatenate([learners.choice, (rng.random((10, 80)) < 0.3).astype(int)])
    reward = np.concatenate([learners.reward, (rng.random((10, 80)) < 0.5).astype(float)])
    found = fit(behaviour(choice, reward), [RW, find("biased-random")], "hbi")
    assert found.selection.frequencies == pytest.approx([2 / 3, 1 / 3], abs=0.03)
    assert found.selection.bor < 0.01
    assert found["rw"].population["learning_rate"] == pytest.approx(0.5, abs=0.1)
    assert abs(found["biased-random"].mean[0]) == pytest.approx(np.log(7 / 3), abs=0.15)
    assert set(found.to_plain()["bms"]["frequencies"]) == {"rw", "biased-random"}


def test_scores_add_up_and_new_subjects_get_the_population(tmp_path):
    table = played(4, 40)
    keep = np.broadcast_to(np.arange(40) < 30, (4, 40))
    found = fit(table.masked(keep), [RW], "em")["rw"]
    score = found.score(table)
    assert score[:, :30].sum(axis=1) == pytest.approx(found.log_likelihood)
    assert np.isnan(found.score(table.masked(keep))[:, 30:]).all()
    new = behaviour(table.choice, table.reward, subjects=["x", "1", "2", "3"])
    mixed = found.score(new)
    assert mixed[1:] == pytest.approx(score[1:])
    run = predictive(
        Likelihood(RW, new.select([0])),
        Gaussian(*map(torch.from_numpy, (found.mean, found.variance))),
    )
    assert mixed[0] == pytest.approx(run[0].numpy())
    found.save(tmp_path / "fit.json")
    again = FittedModel.load(tmp_path / "fit.json", RW)
    assert again.score(table) == pytest.approx(score, abs=0)
    assert again.subjects == found.subjects
    assert again.at_bound.dtype == bool


def test_standard_errors_follow_the_transform():
    """For a positive parameter v = exp(x) the error is v times that of x."""
    found = fit(played(2, 60), [RW], "map")["rw"]
    error = np.sqrt(found.covariance[:, 1, 1]) * found.parameters["inverse_temperature"]
    assert found.standard_errors["inverse_temperature"] == pytest.approx(error)
    rate = found.parameters["learning_rate"]
    error = np.sqrt(found.covariance[:, 0, 0]) * rate * (1 - rate)
    assert found.standard_errors["learning_rate"] == pytest.approx(error)


def test_missed_trials_teach_and_score_nothing():
    table = played(2, 40)
    choice, reward = table.choice.copy(), table.reward.copy()
    wide = np.full((2, 60), -1), np.full((2, 60), np.nan)
    places = np.sort(np.random.default_rng(0).permutation(60)[:40])
    wide[0][:, places], wide[1][:, places] = choice, reward
    one, other = fit(table, [RW])["rw"], fit(behaviour(*wide), [RW])["rw"]
    assert other.evidence == pytest.approx(one.evidence, abs=1e-8)
    assert other.choices.tolist() == [40, 40]


def test_priors_are_the_parameters_own():
    class Odd(type(RW)):
        parameters = (
            Parameter("learning_rate", "unit", mean=5.0, variance=1e-6),
            Parameter("inverse_temperature", "positive", unit=-1),
        )

    assert fit(played(2), [Odd()])["rw"].raw[:, 0] == pytest.approx([5.0] * 2, abs=0.01)


@pytest.mark.parametrize(
    ("models", "method", "words"),
    [
        ([RW], "mle", "none of ml, map"),
        ([RW, RW], "map", "different names"),
        ([], "map", "different names"),
        ([RW], "hbi", "two or more"),
    ],
)
def test_what_cannot_be_fitted_is_refused(models, method, words):
    with pytest.raises(ValueError, match=words):
        fit(played(2, 10), models, method)


def test_one_subject_is_no_population():
    with pytest.raises(ValueError, match="'em' needs two subjects or more; take 'map'"):
        fit(played(1, 10), [RW], "em")


def test_a_subject_without_choices_is_named():
    table = played(2, 10)
    table = table.masked(np.array([[True], [False]]) & np.ones((2, 10), bool))
    with pytest.raises(ValueError, match="subject 1 is scored"):
        fit(table, [RW])


def for_all_models(seed=0, subjects=3, trials=40):
    """Trials that every named model takes: two stages, and stimuli."""
    rng = np.random.default_rng(seed)
    shape = (subjects, trials)
    columns = {"stimulus": rng.integers(0, 3, shape) * 1.0, "set_size": np.full(shape, 3.0)}
    reward = rng.choice([0.0, 0.3, 1.0], shape)
    reward[:, :3] = 0.3, 1.0, 0.0
    second = {"state2": rng.integers(0, 2, shape), "choice2": rng.integers(0, 2, shape)}
    return behaviour(rng.integers(0, 2, shape), reward, columns=columns, **second)


@pytest.mark.parametrize("name", [*names(), "rw+dual+forget+persev+lapse+bias"])
@pytest.mark.parametrize("times", [1000, 1e-6])
def test_the_unit_of_rewards_does_not_matter(name, times):
    data = for_all_models()
    other = replace(data, reward=times * data.reward)
    one, two = (fit(table, [find(name)], "map")[name] for table in (data, other))
    assert two.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-6)
    assert two.evidence == pytest.approx(one.evidence, abs=1e-6)
    assert np.nansum(two.score(other), axis=1) == pytest.approx(two.log_likelihood)
    again = FittedModel.from_plain(two.to_plain(), find(name))
    np.testing.assert_array_equal(again.score(other), two.score(other))


@pytest.mark.parametrize("reward", [1e-320, 1e300])
def test_rewards_beyond_all_numbers_are_refused(reward):
    data = played(trials=20)
    with pytest.raises(ValueError, match="put rewards in another unit"):
        fit(replace(data, reward=reward * data.reward), [RW])
