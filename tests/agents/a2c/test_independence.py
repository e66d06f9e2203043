"""A member learns the same, up to rounding.

This holds wherever it stands in a population and whoever is beside it.
"""

import pytest
import torch

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.helpers import BANDIT, a2c

CONFIGS = [
    {},
    {"critic": "privileged", "passes": 4, "critic_units": 13, "normalise_advantages": True},
]


def learned(members, network, batch, config):
    spec = EnvironmentSpec(BANDIT, kwargs={"trials": 5})
    envs = make_envs(spec, members, batch, privileged=config.critic.baseline == "privileged")
    subject = A2C(envs, network, config, members, batch, 10_000, 3)
    metrics = [subject.update() for _ in range(2)]
    return metrics, subject.state()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize(
    ("core", "hidden", "batch"), [("lstm", 17, 3), ("lstm", 64, 33), ("gru", 5, 1), ("relu", 20, 7)]
)
def test_a_member_learns_the_same_wherever_it_stands(core, hidden, batch, layout, config):
    config = a2c(learning_rate=1e-3, **config)
    network = NetworkConfig(core=core, hidden_size=hidden, layout=layout)
    metrics, state = learned([0, 1, 2, 3], network, batch, config)
    for rows in ([1], [3, 2]):
        alone, own = learned(rows, network, batch, config)
        for name in ("weights", "steps", "generator.actions"):
            torch.testing.assert_close(own[name], state[name][rows], rtol=1e-5, atol=1e-5)
        for mine, theirs in zip(alone, metrics, strict=True):
            for name, value in mine.items():
                torch.testing.assert_close(value, theirs[name][rows], rtol=1e-4, atol=1e-4)
