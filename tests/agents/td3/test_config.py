"""Settings of recurrent TD3: pure data, ranges, and names of earlier versions."""

import subprocess
import sys

import pytest

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.td3 import config
from prefrontal.agents.td3.config import TD3Config


def test_names_of_earlier_versions_are_read():
    made = from_plain(TD3Config, {"babble": 0.25, "babble_steps": 7.0})
    assert (made.random_trials, made.random_trial_steps) == (0.25, 7.0)
    assert from_plain(TD3Config, to_plain(made)) == made
    with pytest.raises(ConfigError, match="babbel"):
        from_plain(TD3Config, {"babbel": 0.25})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", 0),
        ("discount", 2.0),
        ("random_trials", -0.1),
        ("target_noise", -1.0),
        ("exploration", (0.1, -1.0, 0.0)),
        ("validation_gains", (0.0,)),
        ("stop_chance", (0.1, 0.1, 1.1)),
        ("memory", 10),
    ],
)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        TD3Config(**{name: value})


def test_settings_need_no_torch():
    code = f"import runpy, sys; runpy.run_path({config.__file__!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
