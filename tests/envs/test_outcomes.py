"""What tasks tell of episodes beforehand is what happens when they are stepped through."""

import dataclasses

import pytest
import torch

from prefrontal.checks.telling import told_problems
from prefrontal.envs import TASKS, TaskVectorEnv, task_class
from prefrontal.envs.bandits import TwoArmedBandit
from prefrontal.envs.inputs import Inputs
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
    ("HarlowOneDimensional", {"trials": 2, "max_steps": 60, "no_op": True}),
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
    "HarlowOneDimensional",
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
    each = steps if told.following is None else len(told.following)
    assert each == (1 if name == "HarlowOneDimensional" else steps)
    assert told.rewards.shape == (each, places * task.num_actions, n)
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


class Twice:
    """Doubles what a task pays, and is no task itself."""

    def step(self, params, state, action, noise):
        state, observation, reward = super().step(params, state, action, noise)
        return state, observation, 2.0 * reward


class TwiceBandit(Twice, TwoArmedBandit):
    """Has the step of a class that comes before the one that tells."""


class LateTwice(TwoArmedBandit, Twice):
    """Has the step of the class that tells."""


class Generous(TwoStep):
    """Changes a method that `step` calls, and `outcomes` does not."""

    def _pay(self, state, trial, first, noise):
        return torch.ones_like(noise[0])


class Blind(TwoStep):
    """Changes a method that both call."""

    def reset(self, params):
        return super().reset(params)

    def outcomes(self, params, noise):
        return super().outcomes(params, noise)


def test_dynamics_of_a_mixin_are_not_told_by_the_class_behind_it():
    params, noise, _ = drawn(TwiceBandit())
    assert TwiceBandit().outcomes(params, noise) is None
    assert not TwiceBandit.open_loop
    assert LateTwice.open_loop
    assert LateTwice().outcomes(params, noise) is not None


def test_a_method_that_only_step_calls_is_dynamics_too():
    params, noise, _ = drawn(Generous())
    assert Generous().outcomes(params, noise) is None
    assert Blind().outcomes(params, noise) is not None


class Wrong(TwoArmedBandit):
    """Tells `change(told)`."""

    change = staticmethod(lambda told: told)

    def outcomes(self, params, noise):
        return type(self).change(super().outcomes(params, noise))


class WrongPlaces(TwoStep):
    """The same, with places."""

    change = staticmethod(lambda told: told)

    def outcomes(self, params, noise):
        return type(self).change(super().outcomes(params, noise))


def table_of(task, change, monkeypatch, **kwargs):
    monkeypatch.setattr(type(task), "change", staticmethod(change))
    env = TaskVectorEnv(task, 4, split="all", tensors=True, **kwargs)
    env.reset(seed=0)
    return env, env.table()


def expanded(told):
    """Return the same as views and numbers of other kinds."""
    return told._replace(
        rewards=told.rewards.double().transpose(0, 2).contiguous().transpose(0, 2),
        start=told.start[:1].expand(4),
        following=told.following[:1].int().expand(6, -1, -1),
    )


@pytest.mark.parametrize("kind", [torch.float64, torch.bool])
def test_rewards_of_another_type_are_made_numbers_of_32_bits(kind, monkeypatch):
    task = Wrong(trials=6)
    right = table_of(task, lambda told: told, monkeypatch)[1]
    other = table_of(task, lambda told: told._replace(rewards=told.rewards.to(kind)), monkeypatch)
    assert other[1].rewards.dtype == torch.float32
    assert torch.equal(other[1].rewards, right.rewards)


def test_places_that_are_views_become_contiguous(monkeypatch):
    table = table_of(WrongPlaces(trials=3), expanded, monkeypatch)[1]
    for value in (table.rewards, table.shown, table.following, table.start):
        assert value.is_contiguous()
    assert table.following.dtype == table.start.dtype == torch.int64
    assert table.rewards.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told._replace(rewards=told.rewards[:, :, :1]), "rewards must have"),
        (lambda told: told._replace(observations=told.observations[:1]), "observations must have"),
        (lambda told: told._replace(following=told.following[:1]), "rewards must have shape .1, 6"),
        (lambda told: told._replace(following=told.following[:2]), "following must have shape"),
        (lambda told: told._replace(start=told.start[:1]), "start must have shape"),
        (lambda told: told._replace(start=told.start + 3), "start must be places, 0 to 2"),
        (lambda told: told._replace(following=told.following - 1), "following must be places"),
        (lambda told: told._replace(following=None), "following and start must be given together"),
        (lambda told: told._replace(states=[{}]), "states must be 6"),
        (tuple, "must return Outcomes or None"),
    ],
)
def test_a_table_that_cannot_be_is_refused(change, said, monkeypatch):
    with pytest.raises(ValueError, match=rf"^WrongPlaces.outcomes:? {said}"):
        table_of(WrongPlaces(trials=3), change, monkeypatch)


@pytest.mark.parametrize("fields", [{}, {"compact": True}, {"fixation": True}])
def test_what_is_told_is_on_the_device_of_the_parameters(fields):
    task, meta = TwoStep(trials=6, **fields), torch.device("meta")
    params, noise, _ = drawn(task)
    params = {name: value.to(meta) for name, value in params.items()}
    told = task.outcomes(params, noise.to(meta))
    inputs = Inputs(task, ("action", "reward"), 7, meta)
    assert inputs.table(task, params, told).inputs.device == meta


@pytest.mark.parametrize(("actions", "told"), [(4, True), (5, False)])
def test_only_few_actions_are_all_tried_by_default(actions, told):
    class Arms(Open):
        num_actions = actions
        outcomes = Task.outcomes

        def from_uniform(self, uniform, split):
            return {"p": uniform[:, :1].expand(-1, actions).contiguous()}

    task = Arms(trials=3)
    params, noise, _ = drawn(task)
    assert (task.outcomes(params, noise) is not None) == told
    assert step_by_step(task, params, noise).rewards.shape == (3, actions, 7)


class Stateless(Wrong):
    """Tells no states, and says by them where trials start."""

    def trial_start(self, params, state):
        return super().trial_start(params, state)


def test_what_tells_no_states_that_are_needed_is_asked_once(monkeypatch):
    asked = []

    def change(told):
        return asked.append(1) or told._replace(states=None)

    env, table = table_of(Stateless(trials=6), change, monkeypatch, inputs=("trial_start",))
    assert table is None
    assert env._told is None
    env.reset()
    assert env.table() is None
    assert len(asked) == 1
    table = table_of(Wrong(trials=6), change, monkeypatch, inputs=("trial_start",))[1]
    assert table.inputs[:, 1].eq(1).all()  # by the step alone


@pytest.mark.parametrize("name", ["reset", "_observation", "_info"])
def test_an_environment_with_a_method_of_its_own_is_stepped(name):
    def mine(self, *args, **kwargs):
        return getattr(TaskVectorEnv, name)(self, *args, **kwargs)

    env = type("Mine", (TaskVectorEnv,), {name: mine})(TwoArmedBandit(), 4, tensors=True)
    env.reset(seed=0)
    assert env.table() is None


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
