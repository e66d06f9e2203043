"""Cores that are no gated networks learn to learn, and come back from a file as they were."""

import numpy as np
import pytest
import torch

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig, load
from prefrontal.agents.population import Population
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.helpers import a2c

CORES = {
    "leaky": {"alpha": 0.5},
    "spiking": {"ticks": 1},
    "plastic": {"plasticity": "retroactive"},
}
SPEC = EnvironmentSpec(
    "prefrontal/CorrelatedBandit-v0", ("action", "centred_reward"), {"trials": 10}
)


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_it_learns_to_learn_and_is_saved(core, tmp_path):
    """Two arms that pay p and 1 - p: chance is .5 a trial."""
    network = NetworkConfig(core=core, core_kwargs=CORES[core], hidden_size=24, input_gain=3.0)
    config = a2c(learning_rate=0.02, discount=0.6, entropy_coef=0.1)
    subject = A2C(make_envs(SPEC, range(2), 16), network, config, range(2), 16, 100 * 160, 0)
    rewards = torch.stack([subject.update()["return"] for _ in range(100)])[-20:] / 10
    assert (rewards.mean(0) > 0.54).all()  # 4 standard errors

    parameters = subject.model.parameters.detach()
    made = Population(parameters, network, SPEC, subject.model.input_size, 2)
    made.save(tmp_path)
    again = load(tmp_path)
    assert again.network == network
    observation = np.random.default_rng(0).random((3, subject.model.input_size), np.float32)
    states = [None, None]
    for _ in range(3):
        said = []
        for k, one in enumerate((made, again)):
            action, states[k] = one[1].predict(observation, states[k], deterministic=True)
            said.append(action)
        assert (said[0] == said[1]).all()
    assert torch.equal(again.model.parameters, parameters)
