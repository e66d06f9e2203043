"""Recurrent networks fitted to choices whose rule is known."""

import numpy as np
import pytest
import torch

from prefrontal.agents.networks.cores.gated import GRU
from prefrontal.behaviour.networks.recurrent import FittedRecurrent, Recurrent
from prefrontal.behaviour.networks.sequences import Shape
from prefrontal.behaviour.table import behaviour

LAPSE = 0.2


def stayers(subjects, trials, seed=0, bias=None):
    """Return choices that repeat what was rewarded, and change after nothing, but for lapses.

    Args:
        subjects: How many.
        trials: Of each.
        seed: Of the draw.
        bias: Of each subject, the probability of arm 0 in a lapse.
    """
    rng = np.random.default_rng(seed)
    choice = np.zeros((subjects, trials), np.int64)
    reward = (rng.random((subjects, trials)) < 0.5).astype(float)
    bias = np.full(subjects, 0.5) if bias is None else bias
    for t in range(trials):
        by_rule = np.where(reward[:, t - 1] > 0, choice[:, t - 1], 1 - choice[:, t - 1])
        lapse = rng.random(subjects) < (1.0 if t == 0 else LAPSE)
        drawn = (rng.random(subjects) > bias).astype(np.int64)
        choice[:, t] = np.where(lapse, drawn, by_rule)
    return behaviour(choice, reward, subjects=[f"{seed}-{s}" for s in range(subjects)])


def test_scores_are_those_of_the_network_stepped_by_hand():
    table = behaviour([[0, -1, 1, 0]], [[1.0, np.nan, 0.0, 1.0]])
    settings, shape = Recurrent("gru", 1, seeds=1), Shape(2, mean=0.5, scale=0.5)
    core = GRU(4, 1)
    rng = torch.Generator().manual_seed(0)
    core.initialise(rng)
    head = torch.randn(2, 2, generator=rng)
    weights = torch.cat([core.weight.detach().flatten(), head.flatten()])[None]
    fitted = FittedRecurrent(
        settings, shape, ("0",), weights, torch.zeros(1, 1, 0), np.zeros(1), (0,)
    )
    h, wanted, hidden = core.initial_state(1)[0], [], []
    for x in ([0.0] * 4, [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]):
        with torch.no_grad():
            h, _ = core(torch.tensor([x]), (h,))
        wanted.append((head[:, 0] * h[0, 0] + head[:, 1]).log_softmax(0))
        hidden.append(float(h))
    scores = [[wanted[0][0], np.nan, wanted[1][1], wanted[2][0]]]
    np.testing.assert_allclose(fitted.score(table), scores, atol=1e-6)
    before = [hidden[0], hidden[1], hidden[1], hidden[2]]
    np.testing.assert_allclose(fitted.hidden(table)[0, :, 0], before, atol=1e-6)
    np.testing.assert_allclose(fitted.policy(table)[0, 3], wanted[2].exp(), atol=1e-6)


def test_a_network_of_one_unit_finds_win_stay_lose_shift():
    network = Recurrent.named("gru:1", seeds=2, passes=60, batch=16)
    fitted = network.fit(stayers(40, 20))
    held_out = stayers(100, 20, seed=1)
    scores = fitted.score(held_out)
    own = 1 - LAPSE / 2
    entropy = own * np.log(own) + (1 - own) * np.log(1 - own)
    assert np.nanmean(scores[:, 1:]) == pytest.approx(entropy, abs=0.03)
    assert fitted.held_out[fitted.best] == fitted.held_out.max()
    again = network.fit(stayers(40, 20))
    np.testing.assert_array_equal(fitted.weights, again.weights)


def test_masked_trials_are_history_and_no_target():
    table = stayers(6, 40)
    keep = np.zeros((6, 40), bool)
    keep[:, :30] = True
    fitted = Recurrent("gru", 1, seeds=1, passes=4).fit(table.masked(keep))
    whole, part = fitted.score(table), fitted.score(table.masked(~keep))
    np.testing.assert_array_equal(part[:, 30:], whole[:, 30:])
    assert np.isnan(part[:, :30]).all()


def test_an_embedding_knows_whose_choices_they_are():
    bias = np.array([0.02, 0.98] * 4)
    table = stayers(8, 40, bias=bias)
    same, own = (
        Recurrent("gru", 2, seeds=2, passes=60, batch=8, embedding=e).fit(table) for e in (0, 1)
    )
    assert own.name == "gru:2+subject"
    assert np.nanmean(own.score(table)) > np.nanmean(same.score(table)) + 0.02
    strangers = stayers(2, 80, seed=5)
    assert np.isfinite(own.score(strangers)).all()


@pytest.mark.parametrize("name", ["gru", "2", "gru:two", ":2"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(ValueError, match="CORE:UNITS, such as gru:2"):
        Recurrent.named(name)


def test_nothing_to_fit_is_said():
    table = stayers(6, 10)
    with pytest.raises(ValueError, match="no choice is scored"):
        Recurrent().fit(table.masked(np.zeros((6, 10), bool)))
    with pytest.raises(ValueError, match="named CORE:UNITS, such as gru:2, not"):
        Recurrent.named("gur:2")
