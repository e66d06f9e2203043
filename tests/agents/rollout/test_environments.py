"""Environments by id, and runs in stages: when they change, and what they cannot be made of."""

import gymnasium
import pytest
import torch

from prefrontal.agents import A2C, A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.actions import choice
from prefrontal.agents.common.errors import ConfigError, PrefrontalError
from prefrontal.agents.rollout.environments import (
    facts_of,
    find_spec,
    is_native,
    make_envs,
    make_stages,
    probe,
)
from prefrontal.agents.rollout.rollout import Stages
from prefrontal.agents.rollout.spec import EnvironmentFacts
from prefrontal.envs.gym import TaskVectorEnv
from tests.agents.a2c.test_learner import curve, same
from tests.agents.helpers import BANDIT, a2c, register_countdown

NETWORK = NetworkConfig(hidden_size=8)


def staged(members, total_steps=240, lengths=(6, 6), batch=4, seed=0, **config):
    """Members that make `batch` episodes an update; a stage is a share of `total_steps`."""
    stages = tuple({"trials": trials} for trials in lengths)
    spec = EnvironmentSpec(BANDIT, ("action", "reward"), {}, stages=stages)
    envs = make_stages(spec, members, batch)
    return A2C(envs, NETWORK, a2c(**config), list(members), batch, total_steps, seed)


def test_stages_are_equal_shares_of_the_steps():
    subject = staged([0, 1], lengths=(6, 6, 6), total_steps=240)
    seen = [subject.update()["stage"].tolist() for _ in range(12)]
    # 24 steps an update: stage 1 from step 80 on (after 4 updates), stage 2 from step 160 on (after
    # 7); then it stays
    assert seen == [[0, 0]] * 4 + [[1, 1]] * 3 + [[2, 2]] * 5


def test_environments_of_a_stage_are_those_of_its_parameters():
    subject = staged([0], lengths=(6, 10), total_steps=120)
    assert [subject.update()["return"].shape for _ in range(3)] == [(1,)] * 3
    assert subject.steps.item() == 24 * 3
    subject.update()
    assert subject.steps.item() == 24 * 3 + 40


def test_random_numbers_go_on_through_a_switch():
    """Two equal stages are one: a switch alone changes nothing."""
    spec = EnvironmentSpec(BANDIT, ("action", "reward"), {"trials": 6})
    envs = make_envs(spec, [0, 1], 4)
    one = A2C(envs, NETWORK, A2CConfig(), [0, 1], 4, 240, 0)
    two = staged([0, 1])
    for _ in range(10):
        one.update()
        two.update()
    assert two.stage == 1
    assert torch.equal(one.model.parameters, two.model.parameters)


def test_progress_of_a_stage():
    stages = Stages([make_envs(EnvironmentSpec(BANDIT), [0], 1) for _ in range(2)], 100)
    steps = torch.tensor([0.0, 25.0, 50.0, 75.0, 130.0]).double()
    assert stages.progress(steps, "run").tolist() == [0, 0.25, 0.5, 0.75, 1]
    for at, progress in ((0.0, 0), (25.0, 0.5), (50.0, 0), (75.0, 0.5), (130.0, 1)):
        assert stages.progress(torch.tensor([at]).double(), "stage").tolist() == [progress]


def test_annealing_by_stage_and_a_fresh_optimiser():
    subject = staged([0], anneal="stage", learning_rate=0.01, reset_optimiser=True)
    rates = [subject.update()["learning_rate"].item() for _ in range(10)]
    assert rates == pytest.approx([0.01, 0.008, 0.006, 0.004, 0.002] * 2)
    assert subject.optimiser.count == 5


CASES = {
    "plain": {},
    "replay": {"replay": "reservoir", "replay_capacity": 6, "lengths": (6, 9)},
    "distillation": {
        "replay": "uniform",
        "replay_capacity": 6,
        "replay_coef": 0.0,
        "policy_cloning": 1.0,
        "cloning_target": "stage_end",
        "replay_from_stage": 1,
    },
    "elastic": {"ewc_coef": 10.0, "ewc_episodes": 6, "reset_optimiser": True},
    "elastic, online": {"ewc_coef": 10.0, "ewc_online": True, "ewc_decay": 0.5, "ewc_episodes": 4},
}


@pytest.mark.parametrize("case", CASES)
def test_a_member_goes_through_stages_the_same_whoever_is_beside_it(case):
    together = curve(staged([0, 4, 7], **CASES[case]), 8)
    assert together[0][-1]["stage"].tolist() == [1, 1, 1]
    assert same(curve(staged([4], **CASES[case]), 8), together, [1])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "updates", [3, 5, 7]
)  # before, at (nothing of the new stage done yet) and after the switch
def test_goes_on_exactly_from_the_middle_of_a_stage(case, updates):
    straight = staged([0, 4], **CASES[case])
    for _ in range(updates):
        straight.update()
    state = straight.state()
    assert all(len(value) == 2 for value in state.values())
    for before in (1, 7):  # a learner that was in another stage takes over too
        resumed = staged([0, 4], **CASES[case])
        for _ in range(before):
            resumed.update()
        resumed.set_state(state)
        if before == 7:
            assert same(curve(straight, 4), curve(resumed, 4))


def test_replay_cannot_begin_after_the_last_stage():
    assert staged([0], replay="uniform", replay_from_stage=1).replay is not None
    with pytest.raises(
        ConfigError, match=r"^replay_from_stage must be at most 1, the last stage .*, not 2$"
    ):
        staged([0], replay="uniform", replay_from_stage=2)


def test_what_cannot_be_stages():
    spec = EnvironmentSpec(BANDIT, ("action", "reward"), {"trials": 6})
    other = EnvironmentSpec(BANDIT, ("action",), {"trials": 6})
    envs = [make_envs(spec, [0], 1), make_envs(other, [0], 1)]
    with pytest.raises(PrefrontalError, match="all stages need observations of the same size"):
        Stages(envs, 100)
    count = [make_envs(EnvironmentSpec(register_countdown(), ()), [0], 1) for _ in range(2)]
    with pytest.raises(PrefrontalError, match="episodes have a fixed length"):
        Stages(count, 100)


def test_unknown_parameters_and_ids_name_what_is_wrong():
    with pytest.raises(ConfigError, match=r"CartPole-v1.*'lenght'"):
        make_envs(EnvironmentSpec("CartPole-v1", (), {"lenght": 3}), [0], 1)
    with pytest.raises(ConfigError, match=r"prefrontal/TwoArmedBandit-v0.*trails"):
        make_envs(EnvironmentSpec("prefrontal/TwoArmedBandit-v0", (), {"trails": 3}), [0], 1)
    with pytest.raises(
        ConfigError, match=r"no environment 'CartPol-v1'; did you mean 'CartPole-v[01]'"
    ):
        find_spec("CartPol-v1")
    with pytest.raises(ConfigError, match="no environment 'nowhere:CartPole-v1'"):
        find_spec("nowhere:CartPole-v1")


def test_environments_that_cannot_be_made_are_refused_in_one_line():
    def broken(**_):
        raise gymnasium.error.DependencyNotInstalled("pip install a-physics-engine")

    if "tests/Broken-v0" not in gymnasium.registry:
        gymnasium.register("tests/Broken-v0", entry_point=broken, max_episode_steps=5)
    with pytest.raises(ConfigError, match=r"tests/Broken-v0.*pip install a-physics-engine"):
        make_envs(EnvironmentSpec("tests/Broken-v0"), [0], 1)


def test_ours_are_native_and_others_are_not():
    assert is_native("prefrontal/TwoArmedBandit-v0")
    assert not is_native("CartPole-v1")  # has a vector class, which knows no members


def test_a_vector_class_is_native_by_its_marker_whatever_its_constructor():
    class Wrapped(TaskVectorEnv):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    for name, tensor_face in (("Wrapped", True), ("Plain", False)):
        entry = type(name, (Wrapped,), {"tensor_face": tensor_face})
        env_id = f"tests/{name}Native-v0"
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point="unused:Unused", vector_entry_point=entry)
        assert is_native(env_id) == tensor_face


def test_probe_reads_what_an_agent_must_know():
    facts = probe(
        EnvironmentSpec(BANDIT, ("action", "reward"), stages=({"trials": 5}, {"trials": 8}))
    )
    assert facts == EnvironmentFacts(4, choice(2), 3, (5, 8), False)
    assert (facts.discrete, facts.longest, facts.equal) == (True, 8, False)
    assert facts.updates(batch=4, total_steps=800) == 400 / 5 / 4 + 400 / 8 / 4
    navigation = EnvironmentSpec("prefrontal/FireflyNavigation-v0")
    with pytest.raises(ConfigError, match="this agent needs Discrete"):
        probe(navigation)
    continuous = probe(navigation, discrete=False)
    assert (continuous.num_actions, continuous.action_size, continuous.discrete) == (0, 2, False)
    countdown = facts_of([make_envs(EnvironmentSpec(register_countdown(), ()), [0], 1)])
    assert (countdown.variable_length, countdown.equal, countdown.privileged_size) == (
        True,
        False,
        0,
    )


def test_an_argument_that_there_is_not_is_told_without_gymnasiums_words():
    spec = EnvironmentSpec("CartPole-v1", (), {"nosuch": 3})
    with pytest.raises(ConfigError, match=r"argument 'nosuch'$") as caught:
        make_envs(spec, [0], 1)
    assert "creator" not in str(caught.value)
