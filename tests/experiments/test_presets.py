"""Presets: settings that environments which are not ours start from, and what they learn."""

import pytest
import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.registry import make_learner
from prefrontal.experiments import presets
from prefrontal.experiments.own_environment import settings_for
from prefrontal.experiments.settings import A2CConfig, CriticConfig, EnvironmentSpec, NetworkConfig

FOREIGN = "CartPole-v1"


def test_every_preset_holds_settings_that_there_are():
    for name, one in presets.PRESETS.items():
        made = settings_for(FOREIGN, preset=name)
        assert made.environment.id == FOREIGN
        assert one.summary in presets.summaries()
        told = vars(made.algorithm) | vars(made.network) | vars(made.training)
        told |= {"inputs": made.environment.inputs, "env_kwargs": made.environment.kwargs}
        assert {key: told[key] for key in one.options} == one.options
        assert made.algorithm.critic == CriticConfig("own")


def test_the_default_is_control_and_memory_where_a_core_is_named():
    assert settings_for(FOREIGN) == settings_for(FOREIGN, preset="control")
    assert settings_for(FOREIGN, core="relu") == settings_for(FOREIGN, preset="control")
    assert settings_for(FOREIGN, core="gru") == settings_for(FOREIGN, preset="memory")
    control, memory = settings_for(FOREIGN), settings_for(FOREIGN, preset="memory")
    assert (control.network.core, memory.network.core) == ("none", "lstm")
    assert control.network.layout == "separate"
    assert control.algorithm.normalise_advantages
    assert control.algorithm.entropy_coef > 0 == control.algorithm.entropy_coef_final
    assert (control.environment.inputs, memory.environment.inputs) == ((), ("action", "reward"))


def test_unknown_presets_and_environments_of_ours_are_refused():
    with pytest.raises(ConfigError, match="no preset 'memry'; did you mean 'memory'"):
        settings_for(FOREIGN, preset="memry")
    with pytest.raises(ConfigError, match="prefrontal/Harlow-v0 has settings of its own"):
        settings_for("prefrontal/Harlow-v0", preset="memory")


def test_environments_of_ours_start_from_what_they_did():
    made = settings_for("prefrontal/TwoArmedBandit-v0")
    assert made.environment == EnvironmentSpec(
        "prefrontal/TwoArmedBandit-v0", ("action", "centred_reward", "time")
    )
    assert made.network == NetworkConfig(input_gain=3.0)
    assert made.algorithm == A2CConfig(
        learning_rate=7e-3,
        discount=0.8,
        discount_final=0.97,
        gae_lambda=0.95,
        entropy_coef=0.05,
        entropy_anneal=0.7,
        normalise_advantages=True,
        critic=CriticConfig("privileged"),
        passes=4,
    )


def test_the_default_learns_cartpole():
    """Returns of 22 at the start; of a perfect agent 500."""
    made = settings_for(FOREIGN).with_options(total_steps=1_000_000, num_envs=8)
    learner = make_learner(made.job(seed=3), [0])
    returns = []
    while learner.steps[0] < 7_000:
        returns.append(learner.update()["return"])
    learner.close()
    assert torch.stack(returns[-3:]).mean() > 90
