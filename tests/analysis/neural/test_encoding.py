"""Encoding models: known answers, and drift that must not be taken for a code."""

import numpy as np
import pytest

from prefrontal.analysis.neural.encoding import encoding, split_half
from prefrontal.analysis.neural.scoring import blocks, drift_terms, explained

SESSIONS, TRIALS = 20, 100


def walks(rng, size, smooth=0.97):
    """Slow signals ``[SESSIONS * TRIALS, size]``, independent between sessions."""
    signal = np.zeros((SESSIONS, TRIALS, size))
    signal[:, 0] = rng.normal(size=(SESSIONS, size)) / np.sqrt(1 - smooth**2)
    for t in range(1, TRIALS):
        signal[:, t] = smooth * signal[:, t - 1] + rng.normal(size=(SESSIONS, size))
    return signal.reshape(-1, size)


SESSION = np.repeat(np.arange(SESSIONS), TRIALS)


def in_one_session(counts):
    """Each unit in one session alone, as recordings are."""
    alone = np.full(counts.shape, np.nan)
    for unit in range(counts.shape[1]):
        rows = unit % SESSIONS == SESSION
        alone[rows, unit] = counts[rows, unit]
    return alone


def test_drift_is_no_code_under_the_session_permutation():
    """Units that drift and share nothing with the value: one in twenty passes, as it must.

    A test that takes trials for independent samples calls far more of them value neurons.
    """
    rng = np.random.default_rng(1)
    value, units = walks(rng, 1)[:, 0], walks(rng, 200)
    found = encoding(in_one_session(units), {"value": value}, SESSION)
    assert found.null.shape == (200, 1, SESSIONS - 1)
    assert 0.01 < (found.p_values <= 0.05).mean() < 0.10
    naive = []
    for unit in range(200):
        rows = unit % SESSIONS == SESSION
        r = np.corrcoef(value[rows], units[rows, unit])[0, 1]
        naive.append(abs(r) * np.sqrt((TRIALS - 2) / (1 - r**2)) > 1.98)
    assert np.mean(naive) > 0.4


def test_a_true_code_passes_beside_drift():
    rng = np.random.default_rng(2)
    value, units = walks(rng, 1)[:, 0], walks(rng, 40)
    found = encoding(in_one_session(0.4 * units + value[:, None]), {"value": value}, SESSION)
    assert (found.p_values <= 0.05).mean() > 0.9
    assert np.median(found.score) > 0.2
    assert (found.trials == TRIALS).all()
    assert (found.score > found.quantile()).mean() > 0.9


def test_poisson_counts_and_latents_of_several_columns():
    rng = np.random.default_rng(3)
    error = rng.normal(size=(SESSIONS * TRIALS, 3))
    weights = np.array([[0.5, 0.0], [0.3, 0.0], [-0.4, 0.0]])
    counts = rng.poisson(np.exp(0.5 + error @ weights)).astype(float)
    found = encoding(counts[:400], {"h": error[:400]}, SESSION[:400], noise="poisson")
    assert found.score[0, 0] > 0.2
    assert abs(found.score[1, 0]) < 0.1
    assert found.p_values[0, 0] == 0.25  # of four sessions, the least that there can be


def test_explained_of_a_line_and_of_noise():
    """A variance of 4 from the latent variable and 1 of noise: 0.8 is explained."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=4000)
    y = np.stack([2 * x + rng.normal(size=4000), rng.normal(size=4000)], axis=1)
    found = explained(y, x)
    assert found[0] == pytest.approx(0.8, abs=0.02)
    assert found[1] == pytest.approx(0.0, abs=0.01)
    # Drift that the latent variable shares is not its own.
    drift = drift_terms(4000, 1)
    assert explained(drift[:, 1:] + 1e-3 * y[:, 1:], drift[:, 1], drift)[0] < 0.01


def test_poisson_deviance_by_hand():
    """Rates of 1 and 4 by a binary predictor: the deviances of left-out trials, written out."""
    x = np.tile([0.0, 1.0], 500)
    rng = np.random.default_rng(5)
    y = rng.poisson(np.where(x > 0, 4.0, 1.0)).astype(float)

    def deviance(rate):
        part = np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / rate), 0) - (y - rate)
        return 2 * part.sum()

    fold = blocks(1000)
    rates, mean = np.empty(1000), np.empty(1000)
    for k in range(5):
        train, test = fold != k, fold == k
        mean[test] = y[train].mean()
        for value in (0.0, 1.0):
            rates[test & (x == value)] = y[train & (x == value)].mean()
    base, full = deviance(mean), deviance(rates)
    found = explained(y[:, None], x, noise="poisson", ridge=0.0)[0]
    assert found == pytest.approx(1 - full / base, abs=1e-6)


def test_split_half_is_the_share_of_variance_that_is_not_noise():
    """Two bins with a common signal of variance 1 and noise of variance 1 each: 2 * 0.5 / 1.5."""
    rng = np.random.default_rng(6)
    signal = rng.normal(size=(20000, 1, 1))
    counts = signal + rng.normal(size=(20000, 2, 1))
    silent = np.zeros((20000, 2, 1))
    found = split_half(np.concatenate([counts, silent], axis=2))
    assert found[0] == pytest.approx(2 / 3, abs=0.02)
    assert np.isnan(found[1])


def test_sessions_of_unequal_length_share_their_trials():
    rng = np.random.default_rng(7)
    length = [60, 90, 75, 30]  # the last one is too short
    session = np.repeat(np.arange(4), length)
    value = rng.normal(size=len(session))
    found = encoding(value[:, None] + rng.normal(size=(len(session), 1)), {"v": value}, session)
    assert found.null.shape[-1] == 2
    assert found.p_values[0, 0] == pytest.approx(1 / 3)
    assert found.trials[0] == 225


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"session": np.zeros(TRIALS)}, "needs two sessions of at least 50 trials .* got 1"),
        ({"session": np.zeros(7)}, r"counts must be \[N, U\], session .* \(7,\)"),
        ({"noise": "binomial"}, "noise must be"),
        ({"counts": -np.ones((TRIALS, 1)), "noise": "poisson"}, "counts must be .* from 0"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    given = {
        "counts": np.ones((TRIALS, 1)),
        "latents": {"v": np.ones(TRIALS)},
        "session": np.repeat([0, 1], TRIALS // 2),
    }
    with pytest.raises(ValueError, match=message):
        encoding(**given | change)
