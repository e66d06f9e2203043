"""Agents stepped through recorded trials: what they say is what they said when they played."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population, load
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.behaviour.agents.forcing import force
from prefrontal.behaviour.agents.records import of_record
from prefrontal.behaviour.agents.showing import Showing
from prefrontal.behaviour.table import behaviour

SHIPPED = Path(__file__).parents[3] / "pretrained"
DISCOUNT = 0.7


@cache
def played(name, episodes=4):
    """Return shipped agents, their record, and the same as a table."""
    agents = load(SHIPPED / name)
    agents = next(iter(agents.values())) if isinstance(agents, dict) else agents
    envs = make_envs(agents.environment, agents.members, episodes, split="held_out", facts=True)
    (record,) = agents.record(envs, 1, seed=3, discount=DISCOUNT, hidden=True)
    choices = name == "daw2011-two-step"
    return agents, record, of_record(record, second_choices=choices)


@pytest.mark.parametrize(
    "name", ["wang2016-bandit", "wang2016-two-step", "wang2018-two-step", "daw2011-two-step"]
)
def test_their_own_choices_are_as_likely_as_their_policy_says(name):
    agents, record, table = played(name)
    forced = force(agents, table, discount=DISCOUNT, hidden=True)
    members, episodes, steps = record["action"].shape
    trials = table.trials // episodes
    by_trial = (members, episodes, trials, steps // trials)

    def own(array):
        array = np.stack([array[m, m] for m in range(members)])
        return array.reshape(members, episodes, trials, *array.shape[2:])

    policy = record["policy"].reshape(*by_trial, -1)
    np.testing.assert_allclose(np.exp(own(forced.log_policy)), policy[:, :, :, 0], atol=1e-6)
    if by_trial[3] == 2:
        np.testing.assert_allclose(np.exp(own(forced.log_policy2)), policy[:, :, :, 1], atol=1e-6)
    for name, step, array in (("value", 0, forced.value), ("rpe", -1, forced.rpe)):
        wanted = record[name].reshape(by_trial)[..., step]
        np.testing.assert_allclose(own(array), wanted, atol=1e-6)
    hidden = record["hidden"].reshape(*by_trial, -1)[:, :, :, 0]
    np.testing.assert_allclose(own(forced.hidden), hidden, atol=1e-6)
    chosen = np.take_along_axis(policy, record["action"].reshape(by_trial)[..., None], 4)[..., 0]
    counted = by_trial[3] if table.scored2 is not None and table.scored2.any() else 1
    wanted = np.log(chosen[..., :counted]).sum(axis=(1, 2, 3))
    mine = np.array([np.nansum(forced.score(table)[m, m]) for m in range(members)])
    np.testing.assert_allclose(mine, wanted, rtol=1e-6, atol=1e-5)
    assert forced.differences == ()


def test_the_agent_that_chose_ranks_first():
    """Of eight, for 19 of 20 subjects of 134 trials."""
    agents, _, table = played("daw2011-two-step", 16)
    scores = np.nansum(force(agents, table).score(table), axis=2)  # [P, S]
    assert (scores.argmax(axis=0) == np.arange(8)).all()
    trials = force(agents, table).score(table).reshape(8, 8, 8, -1)  # two episodes a subject
    first = np.nansum(trials, axis=3).argmax(axis=0) == np.arange(8)[:, None]
    assert first.mean() >= 0.95


def test_missed_trials_are_not_shown_and_unknown_rewards_teach_nothing():
    agents, _, table = played("wang2016-bandit")
    agents, table = agents[0], table.select([0])
    choice, reward = table.choice[:, :6].copy(), table.reward[:, :6].copy()
    whole = force(agents, behaviour(choice, reward))
    missed, paid = np.insert(choice, 3, -1, axis=1), np.insert(reward, 3, np.nan, axis=1)
    with_gap = force(agents, behaviour(missed, paid))
    kept = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(with_gap.log_policy[:, :, kept], whole.log_policy)
    missed[:, 3] = 1 - choice[:, 3]  # made, but what it got is not known
    table = behaviour(missed, paid)
    unknown = force(agents, table)
    np.testing.assert_array_equal(unknown.log_policy[:, :, kept], whole.log_policy)
    scores = unknown.score(table)
    assert scores[0, 0, 3] == unknown.log_policy[0, 0, 3, missed[0, 3]]
    assert np.isnan(unknown.rpe[0, 0, 3])


def test_where_values_start_anew_an_episode_starts():
    agents, _, table = played("wang2016-bandit")
    agents, table = agents[:2], table.select([0])
    once = force(agents, table).log_policy
    second = behaviour(table.choice[:, 100:200], table.reward[:, 100:200])
    np.testing.assert_allclose(force(agents, second).log_policy, once[:, :, 100:200], atol=1e-6)


def test_what_a_table_has_unlike_the_task_is_named():
    agents, _, _ = played("wang2016-bandit")
    paid = np.where(np.arange(120) % 3, 1.0, -1.0)[None]
    table = behaviour(np.arange(120)[None] % 2, paid)
    forced = force(agents, table)
    said = "\n".join(forced.differences)
    assert "reward range: -1 to 1 in the table, 0 to 1 in prefrontal/TwoArmedBandit-v0" in said
    assert "up to 120 in the table, 100 in prefrontal/TwoArmedBandit-v0; `time` stays" in said
    mapped = force(agents, behaviour(table.choice, (paid + 1) / 2))
    np.testing.assert_array_equal(forced.log_policy, mapped.log_policy)
    with pytest.raises(ValueError, match="choose among 2 arms, and the table has 3"):
        force(agents, behaviour([[0, 1, 2]], [[0.0, 1.0, 0.0]]))
    two_step, _, _ = played("wang2018-two-step")
    with pytest.raises(ValueError, match="second-stage states, and the table has none"):
        force(two_step, table)
    steps = behaviour([[0, 1]], [[0.0, 1.0]], state2=np.array([[0, 1]]), common=0.6)
    assert "common transitions: 0.6 in the table, 0.8" in force(two_step, steps).differences[1]


def test_tasks_that_show_more_than_choices_are_refused():
    spec = EnvironmentSpec("prefrontal/ContextBandit-v0")
    with pytest.raises(ConfigError, match="does not follow from choices and second states"):
        Showing.of(spec)
    spec = EnvironmentSpec("prefrontal/TwoStep-v0", kwargs={"fixation": True})
    with pytest.raises(ConfigError, match="other steps than a choice and a second stage"):
        Showing.of(spec)


def test_all_inputs_are_shown_as_the_task_shows_them():
    inputs = ("action", "reward_one_hot", "centred_reward", "reward", "time", "trial_start")
    spec = EnvironmentSpec("prefrontal/Daw2011TwoStep-v0", inputs, {"trials": 12})
    agents = Population.create(spec, NetworkConfig("gru", hidden_size=3), members=2)
    envs = make_envs(spec, agents.members, 3, facts=True)
    (record,) = agents.record(envs, 1, seed=0, discount=DISCOUNT)
    forced = force(agents, of_record(record, second_choices=True, subjects="episode"))
    policy = record["policy"].reshape(2, 3, 12, 2, 2)
    for stage, found in enumerate((forced.log_policy, forced.log_policy2)):
        own = np.stack([found[m, 3 * m : 3 * m + 3] for m in range(2)])
        np.testing.assert_allclose(np.exp(own), policy[:, :, :, stage], atol=1e-6)


def test_records_that_are_none_are_refused():
    with pytest.raises(ValueError, match="action and reward"):
        of_record({"reward": np.zeros((1, 1, 2))})
    _, record, _ = played("wang2016-bandit")
    with pytest.raises(ValueError, match="member or episode, not 'person'"):
        of_record(record, subjects="person")
