"""Actors that are given prediction errors for rewards (Wang et al. 2018, simulation 6)."""

import numpy as np
import pytest
import torch

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, load
from prefrontal.agents.a2c.learner import A2C
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.population import Population
from prefrontal.agents.rollout.environments import make_envs, rows_of
from prefrontal.agents.rollout.rollout import Rollout, Stimulation

SPEC = EnvironmentSpec("prefrontal/RiskyChoice-v0", kwargs={"trials": 12})
NETWORK = NetworkConfig(hidden_size=6, layout="separate", actor_reward="rpe", rpe_discount=0.7)
ROW = 3  # observation, two actions, reward, time


def trained(members=(0, 1), updates=2, network=NETWORK) -> A2C:
    learner = A2C(
        make_envs(SPEC, members, 4), network, A2CConfig(discount=0.7), members, 4, 2000, seed=3
    )
    for _ in range(updates):
        learner.update()
    return learner


def played(model, stimulation=None, members=(0, 1), seed=5):
    envs = make_envs(SPEC, members, 4, facts=True)
    envs.reset(seed=seed)
    actions = [generator(seed, m, "evaluation") for m in members]
    return Rollout(envs, model, 4, actions, facts=True).collect(stimulation=stimulation)


def inputs(trajectory, net):
    return torch.stack(trajectory.tapes[net].x_t[: trajectory.steps])


def test_the_actor_is_given_the_prediction_error_and_the_critic_the_reward():
    model = trained().model
    trajectory = played(model)
    actor, critic = inputs(trajectory, 0), inputs(trajectory, 1)
    values, rewards = model.heads(trajectory.tapes)[1], trajectory.rewards
    assert torch.equal(critic[1:, :, ROW], rewards[:-1])
    delta = rewards[:-1] + 0.7 * values[1:] - values[:-1]
    torch.testing.assert_close(actor[1:, :, ROW], delta, rtol=0, atol=1e-6)
    torch.testing.assert_close(actor[0, :, ROW], 0.7 * values[0], rtol=0, atol=1e-6)
    others = [i for i in range(actor.shape[2]) if i != ROW]
    assert torch.equal(actor[:, :, others], critic[:, :, others])


def test_no_gradient_flows_through_the_prediction_error():
    model = trained().model
    trajectory = played(model)
    parameters = model.parameters.requires_grad_()
    logits, _ = model.heads(trajectory.tapes, parameters)
    (gradient,) = torch.autograd.grad(logits.square().sum(), parameters)
    actor = model.nets[0].parameters.shape[1]
    assert gradient[:, :actor].abs().max() > 0
    assert not gradient[:, actor:].any()


def test_stimulation_adds_after_the_outcomes_it_names_and_changes_no_weight():
    model = trained().model
    before = model.parameters
    quiet = played(model)
    trajectory = played(model, Stimulation(win=-2.0, loss=3.0, action=1))
    assert torch.equal(model.parameters, before)
    values = model.heads(trajectory.tapes)[1]
    delta = trajectory.rewards[:-1] + 0.7 * values[1:] - values[:-1]
    added = inputs(trajectory, 0)[1:, :, ROW] - delta
    won, risky = trajectory.rewards[:-1] > 0, trajectory.actions[:-1] == 1
    wanted = torch.where(won, -2.0, 3.0) * risky
    torch.testing.assert_close(added, wanted, rtol=0, atol=1e-5)
    assert torch.equal(quiet.actions[0], trajectory.actions[0])
    assert not torch.equal(quiet.actions, trajectory.actions)


def test_members_learn_the_same_whoever_is_beside_them():
    together, alone = trained((0, 1)), trained((1,))
    assert torch.equal(together.model.parameters[1], alone.model.parameters[0])


def test_predict_acts_as_in_a_rollout_and_survives_saving(tmp_path):
    learner = trained()
    model = learner.model
    Population(model.parameters, NETWORK, SPEC, model.input_size, 2, 3, [0, 1]).save(tmp_path)
    agent = load(tmp_path)[1]
    trajectory = played(model)
    seen = inputs(trajectory, 1)[:, 1].transpose(1, 2).numpy()  # [T, B, I], with rewards
    values, state = model.heads(trajectory.tapes)[1], None
    for t, observation in enumerate(seen):
        value = agent.value(observation, state, np.zeros(4, bool))
        np.testing.assert_allclose(value, values[t, 1], atol=1e-6)
        _, state = agent.predict(observation, state, np.zeros(4, bool))
        np.testing.assert_allclose(state[0], trajectory.tapes[0].h_t[t + 1][1].T, atol=1e-6)
    first = agent.predict(seen[0])[1]
    again = agent.predict(seen[0], state, np.ones(4, bool))[1]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="separate"):
        NetworkConfig(actor_reward="rpe")
    with pytest.raises(ValueError, match="rpe_discount"):
        NetworkConfig(rpe_discount=1.5)
    for wrong in ({"passes": 2}, {"discount": 0.8}, {"discount": 0.7, "discount_final": 0.9}):
        config = A2CConfig(**({"discount": 0.7} | wrong))
        with pytest.raises(ConfigError, match="actor_reward"):
            A2C(make_envs(SPEC, [0], 2), NETWORK, config, [0], 2, 100, 0)
    for names in (("action",), ("reward", "centred_reward"), ()):
        with pytest.raises(ConfigError, match="reward in no other form"):
            rows_of(NETWORK, names, 6, 2)
    rewarded = NetworkConfig(hidden_size=6, layout="separate")
    with pytest.raises(ConfigError, match="stimulation needs"):
        played(trained(network=rewarded).model, Stimulation(win=1.0))
