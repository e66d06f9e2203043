"""What choices lose beside the Bayes-optimal ones, in `benchmarks.lost_regret`."""

import numpy as np
import pytest

from benchmarks.lost_regret import Config, losses, main, shortsighted, worths
from benchmarks.measure import command
from prefrontal.agents.reference.bandit_optima import bayes_optimal_value
from prefrontal.agents.reference.counting import BayesOptimal, Greedy


def played(policy, trials, episodes=4000):
    """Return choices, rewards, and the expected reward of an episode."""
    rng = np.random.default_rng(0)
    p = rng.random((episodes, 2))
    state, actions, rewards = policy.begin(episodes, 2, trials), [], []
    for _ in range(trials):
        actions.append(policy.act(state, rng))
        chosen = p[np.arange(episodes), actions[-1]]
        rewards.append((rng.random(episodes) < chosen).astype(float))
        state = policy.update(state, actions[-1], rewards[-1])
    action, reward = np.stack(actions, 1), np.stack(rewards, 1)
    return action, reward, np.take_along_axis(p, action, 1).sum(1).mean()


def test_the_first_choice_is_worth_the_exact_value():
    for trials in (1, 2, 7, 30):
        first = worths(trials)[0]
        np.testing.assert_allclose(first.ravel(), bayes_optimal_value(trials), rtol=1e-5)


def test_who_sees_no_further_than_a_trial_is_greedy():
    assert shortsighted(20, 1.0) == pytest.approx(0, abs=1e-5)
    *_, earned = played(Greedy(), 20, episodes=100_000)
    assert shortsighted(20, 0.0) == pytest.approx(bayes_optimal_value(20) - earned, abs=0.03)
    assert shortsighted(20, 0.0) > shortsighted(20, 0.8) > shortsighted(20, 0.97) > 0


def test_two_trials_by_hand():
    # A loss with arm 0 (1/3), then arm 1 (1/2): best, and not the arm that looked better at first.
    lost, greedy = losses(np.array([[0, 1], [0, 0]]), np.zeros((2, 2)))
    np.testing.assert_allclose(lost, [[0, 0], [0, 1 / 2 - 1 / 3]], atol=1e-6)
    assert greedy.tolist() == [[False, True], [False, False]]


def test_what_policies_lose_is_their_regret_above_the_smallest():
    action, reward, _ = played(BayesOptimal(), 20)
    assert losses(action, reward)[0].max() < 1e-5
    action, reward, earned = played(Greedy(), 20)
    lost, greedy = losses(action, reward)
    assert lost.sum(1).mean() == pytest.approx(bayes_optimal_value(20) - earned, abs=0.1)
    assert lost[greedy].sum() > 0.03 * len(lost)


def test_a_table_of_shipped_agents_and_refusals(monkeypatch, capsys):
    main(Config("wang2016-bandit", episodes=20))
    rows = capsys.readouterr().out.splitlines()[2:]
    found = [float(row.split("|")[2].split()[0]) for row in rows]
    assert found[0] == pytest.approx(sum(found[1:6]), rel=1e-2)
    assert found[0] == pytest.approx(sum(found[6:8]), rel=1e-2)
    for words, said in ((["wang2018-two-step"], "not TwoArmedBandit"), (["nowhere"], "nowhere")):
        monkeypatch.setattr("sys.argv", ["lost_regret", *words])
        with pytest.raises(SystemExit) as end:
            command(main, Config, None)
        assert end.value.code == 2
        assert said in capsys.readouterr().err
