"""What tasks tell of episodes beforehand is what happens when they are stepped through."""

import dataclasses

import pytest
import torch

from prefrontal.checks.telling import told_problems
from prefrontal.envs import TASKS, TaskVectorEnv, task_class
from prefrontal.envs.bandits import TwoArmedBandit
from prefrontal.envs.outcomes import step_by_step
from prefrontal.envs.task import Task
from prefrontal.envs.two_step import TwoStep

#: Arguments with which a task can tell more, or tells another way.
VARIANTS = [
    ("CorrelatedBandit", {"opt_out": 0.4}),
    ("Harlow", {"delay": 2}),
    ("HarlowPairs", {"delay": 3, "shortest_delay": 1}),
    ("ChangingReward", {"mode": "any", "change": "mixed", "cue": "switch"}),
    ("TransitiveInference", {"trial_steps": 1}),
    ("TwoStep", {"compact": True}),
    ("TwoStep", {"fixation": True, "trials": 9}),
]
TOLD = {
    "TwoArmedBandit",
    "CorrelatedBandit",
    "InformativeArmBandit",
    "RestlessBandit",
    "BernoulliBandit",
    "SwitchingBandit",
    "Harlow",
    "HarlowPairs",
    "InferredValue",
    "Volatility",
    "RiskyChoice",
    "ContextBandit",
    "ChangingReward",
    "TransitiveInference",
    "VariableMagnitude",
    "TwoStep",
    "TwoStepWang2016",
}


def drawn(task, n=7, seed=0):
    g = torch.Generator().manual_seed(seed)
    params = task.sample(n, "all", g)
    noise = torch.rand(task.steps, task.noise, n, generator=g)
    actions = torch.randint(max(task.num_actions, 1), (task.steps, n), generator=g)
    return params, noise, actions


def test_the_tasks_that_can_tell_are_these():
    found = set()
    for name in TASKS:
        task = task_class(name)()
        if not task.num_actions or task.steps > 1000:
            assert type(task).outcomes is Task.outcomes
            assert not task.open_loop
            continue
        params, noise, _ = drawn(task)
        if task.outcomes(params, noise) is not None:
            found.add(name)
    assert found == TOLD


@pytest.mark.parametrize(("name", "fields"), [(name, {}) for name in sorted(TOLD)] + VARIANTS)
def test_what_is_told_happens(name, fields):
    task = task_class(name)(**fields)
    params, noise, actions = drawn(task)
    told = task.outcomes(params, noise)
    assert not list(told_problems(task, params, noise, actions))
    n, steps = actions.shape[1], task.steps
    places = 1 if told.following is None else told.following.shape[1]
    assert told.rewards.shape == (steps, places * task.num_actions, n)
    assert told.rewards.dtype == told.observations.dtype == torch.float32
    if task.open_loop:  # the way that needs no formula of its own
        slow = step_by_step(task, params, noise)
        assert torch.equal(slow.rewards, told.rewards)
        assert torch.equal(slow.observations, told.observations)


@dataclasses.dataclass(frozen=True)
class Mistaken(TwoStep):
    """Tells something else than what happens."""

    wrong: str = "reward"

    def outcomes(self, params, noise):
        told = super().outcomes(params, noise)
        if self.wrong == "reward":
            return told._replace(rewards=1.0 - told.rewards)
        if self.wrong == "observation":
            return told._replace(observations=told.observations.flip(1))
        return told._replace(states=[{**state, "t": 0} for state in told.states])


@pytest.mark.parametrize("wrong", ["reward", "observation", "facts"])
def test_what_is_told_wrongly_is_found(wrong):
    task = Mistaken(compact=True, trials=10, wrong=wrong)
    problems = list(told_problems(task, *drawn(task)))
    assert len(problems) == 1
    assert wrong in problems[0]


class Doubled(TwoArmedBandit):
    """Pays otherwise than its base class, which it inherits what is told from."""

    def step(self, params, state, action, noise):
        state, observation, reward = super().step(params, state, action, noise)
        return state, observation, 2.0 * reward


class Open(Doubled):
    """Has said that actions leave no trace."""

    open_loop = True


def test_a_task_with_a_step_of_its_own_is_not_told_by_its_base_class():
    params, noise, actions = drawn(Doubled())
    assert Doubled().outcomes(params, noise) is None
    assert not Doubled.open_loop
    assert TwoArmedBandit.open_loop
    assert not list(told_problems(Open(), params, noise, actions))
    assert Open().outcomes(params, noise).rewards.max() == 2


def test_an_environment_that_was_told_has_ended():
    env = TaskVectorEnv("prefrontal.envs.bandits:TwoArmedBandit", 4, tensors=True, facts="episode")
    env.reset(seed=0)
    table = env.table()
    actions = torch.zeros(env.steps, 4, dtype=torch.int64)
    assert env.played(actions) is None
    facts = env.episode_facts()
    assert torch.equal(facts["expected_reward"], env._params["p"][:, 0].expand(env.steps, 4))
    assert table.inputs.shape == (env.steps, 5, 4)
    env.reset()
    env.step(actions[0])
    assert env.table() is None  # in the middle of an episode
