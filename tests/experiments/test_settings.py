"""Settings are changed by the names of their options, and told apart by kind."""

import pytest

from prefrontal.agents.common.errors import ConfigError
from prefrontal.experiments.experiment import find_experiment
from prefrontal.experiments.settings import (
    A2CConfig,
    EnvironmentSpec,
    ReplayConfig,
    Settings,
    TrainingConfig,
    expect,
    option_names,
)

SETTINGS = Settings(EnvironmentSpec("prefrontal/TwoArmedBandit-v0"))


def test_options_reach_every_part():
    made = SETTINGS.with_options(members=3, hidden_size=7, replay_capacity=9, split="all")
    assert made.training == TrainingConfig(members=3)
    assert (made.network.hidden_size, made.environment.split) == (7, "all")
    assert made.algorithm == A2CConfig(replay=ReplayConfig(capacity=9))
    assert SETTINGS.with_options() == SETTINGS


def test_evolution_has_no_critic_of_its_own():
    apart = SETTINGS.with_options(layout="separate")
    assert apart.with_algorithm("evolution").network.layout == "shared"
    assert apart.with_algorithm("r2d2").network.layout == "separate"


def test_options_are_checked():
    with pytest.raises(ConfigError, match="no setting 'membres'; did you mean 'members'"):
        SETTINGS.with_options(membres=3)
    with pytest.raises(ValueError, match="members must be at least 1, not 0"):
        SETTINGS.with_options(members=0)


def test_names_are_those_of_the_command_line():
    names = option_names(SETTINGS)
    assert {"members", "learning_rate", "replay", "replay_capacity", "core", "inputs"} <= names
    assert not {"capacity", "training", "algorithm"} & names


def test_settings_of_another_kind_are_refused():
    modular = find_experiment("zhang2024-modularity").conditions["modular"]
    assert expect(SETTINGS.algorithm, A2CConfig) is SETTINGS.algorithm
    with pytest.raises(TypeError, match="settings of A2CConfig are needed, not TD3Config"):
        expect(modular.algorithm, A2CConfig)
