"""Named settings for environments that are not ours: pure data.

`control` is where they start from, and `memory` where a core is named. Advantages are normalised,
so that entropy bonuses have the same meaning whatever rewards are, values are learned in units of
the returns, and actor and critic have cores of their own. Many steps of the optimiser on small
batches learn fastest.
Measurements: docs/environments.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from prefrontal.agents.common.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Preset:
    """Settings that go together.

    Attributes:
        summary: What they are for, in a few words.
        options: Values by the names of `Settings.with_options`.
    """

    summary: str
    options: Mapping[str, Any] = field(default_factory=dict)


_CONTROL: dict[str, Any] = {
    "inputs": (),
    "core": "none",
    "hidden_size": 64,
    "input_gain": 3.0,
    "layout": "separate",
    "learning_rate": 3e-3,
    "discount": 0.98,
    "gae_lambda": 0.95,
    "clip_norm": 1.0,
    "value_coef": 0.5,
    "entropy_coef": 0.05,
    "normalise_advantages": True,
    "normalise_values": True,
    "passes": 8,
    "num_envs": 8,
    "total_steps": 1_000_000,
}
_CONTINUOUS = _CONTROL | {"discount": 0.95, "passes": 30, "num_envs": 4}
_LONG = _CONTROL | {
    "discount": 0.999,
    "gae_lambda": 0.98,
    "entropy_coef": 0.01,
    "passes": 20,
    "segment": 128,
    "num_envs": 32,
}
_SPARSE = _CONTROL | {"entropy_coef": 0.1, "num_envs": 32, "segment": 32}
_SHORT = _CONTROL | {
    "env_kwargs": {"max_episode_steps": 50},
    "discount": 1.0,
    "num_envs": 256,
}
_MEMORY = _CONTROL | {
    "inputs": ("action", "reward"),
    "core": "lstm",
    "learning_rate": 5e-3,
    "discount": 0.9,
    "discount_final": 0.98,
    "entropy_coef": 0.02,
}
_SYMBOLS = _CONTROL | {
    "inputs": ("action", "reward"),
    "core": "gru",
    "layout": "shared",
    "image_symbols": 11,
    "image_units": 64,
    "learning_rate": 5e-3,
    "learning_rate_final": 2e-3,
    "entropy_coef": 0.022,
    "entropy_coef_final": 0.05,
    "segment": 32,
    "num_envs": 16,
}
_META = _MEMORY | {"inputs": ("action", "reward", "trial_start")}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "control": Preset("the observation tells all that counts (no memory)", _CONTROL),
        "continuous": Preset("the same, for numbers as actions", _CONTINUOUS),
        "long": Preset("what is done pays off hundreds of steps later", _LONG),
        "sparse": Preset("most episodes pay nothing at first", _SPARSE),
        "short": Preset("episodes of a few steps, of 50 at most", _SHORT),
        "memory": Preset("the observation does not tell all: a recurrent core", _MEMORY),
        "symbols": Preset("images of MiniGrid's symbols: a recurrent core", _SYMBOLS),
        "meta": Preset("what is learned in one inner episode helps in the next", _META),
    }
)


def find_preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}{did_you_mean(name, PRESETS)}")
    return PRESETS[name]


def summaries() -> str:
    """Return all presets with what they are for, in one line."""
    return "; ".join(f"`{name}`, {one.summary}" for name, one in PRESETS.items())
