"""Every registered id: Gymnasium's own check without a warning, and its documentation."""

import warnings

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from prefrontal.envs import TASKS

IDS = [f"prefrontal/{name}-v0" for name in TASKS]
HEADINGS = (
    "Description",
    "Action Space",
    "Observation Space",
    "Starting State",
    "Reward",
    "Episode End",
    "Information",
    "Arguments",
    "Task Distribution",
    "Paper Correspondence",
    "References",
    "Version History",
)


MODES = [(f"prefrontal/{name}-v0", mode) for name in TASKS for mode in (None, "ansi", "rgb_array")]


@pytest.mark.parametrize(("env_id", "render_mode"), MODES)
def test_gymnasium_check_env_passes_without_warnings(env_id, render_mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(env_id, render_mode=render_mode)
        check_env(env.unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_docstring_has_every_heading(env_id):
    doc = gymnasium.make(env_id).unwrapped.__doc__
    missing = [heading for heading in HEADINGS if f"## {heading}\n" not in doc]
    assert not missing


@pytest.mark.parametrize("env_id", IDS)
def test_id_is_strict_and_never_truncated_by_the_registry(env_id):
    spec = gymnasium.spec(env_id)
    assert spec.max_episode_steps is None
    assert spec.vector_entry_point is not None
