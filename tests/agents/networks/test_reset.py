"""Activity that is set back where a trial starts: in play, in the gradient, in every learner."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.evolution.config import LifetimeConfig
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.networks.vectorised import Credit
from prefrontal.agents.population import Population
from prefrontal.agents.rollout.environments import make_envs, probe
from prefrontal.agents.rollout.rollout import Rollout

SPEC = EnvironmentSpec(
    "prefrontal/Harlow-v0",
    ("trial_start", "action", "reward"),  # not last: its row has to be found
    {"dimension": 2, "trials": 3, "delay": 2},
)
STEPS, STARTS = 7, (0, 3, 6)  # three trials with two blank steps between them
ROW = 4  # after two objects of two features


def population(core: str, reset_at: str = "trial") -> Population:
    network = NetworkConfig(core=core, hidden_size=6, reset_at=reset_at)
    return Population.create(SPEC, network, members=2, seed=3)


def played(agents: Population):
    envs = make_envs(SPEC, [0, 1], 5)
    envs.reset(seed=1)
    streams = [torch.Generator().manual_seed(m) for m in range(2)]
    return Rollout(envs, agents.model, 5, streams, every=True).collect()


@pytest.mark.parametrize("core", ["lstm", "gru", "plastic", "attention"])
def test_a_trial_begins_from_nothing_but_what_outlasts_it(core):
    agents = population(core)
    (tape,), (net,) = played(agents).tapes, agents.model.nets
    starts = tape.x[:, :, :, ROW]
    assert [t for t in range(len(starts)) if bool(starts[t].all())] == list(STARTS)
    for t in STARTS[1:]:
        before = net.state(tape, t)
        fresh = net.initial_state(5)
        if core == "plastic":  # h is gone, H is kept
            fresh = (fresh[0], before[1])
        other = net.tape(1, 5)
        net.begin(other, fresh)
        other.x_t[0].copy_(tape.x_t[t])
        net.step(other, 0)
        torch.testing.assert_close(other.features[0], tape.features[t])
        torch.testing.assert_close(net.state(other, 1), net.state(tape, t + 1))
        if t + 1 == STEPS:
            break
        going_on = net.plain.step(net._views, tape.x[t + 1], net.state(tape, t + 1))[1]
        torch.testing.assert_close(going_on, tape.features[t + 1])


@pytest.mark.parametrize("core", ["lstm", "gru", "rnn"])
def test_what_a_trial_says_does_not_reach_the_next(core):
    """Other inputs in the first trial change its features, and none of a later trial."""
    for reset_at, apart in (("trial", False), ("episode", True)):
        agents = population(core, reset_at)
        (net,) = agents.model.nets
        xs = torch.randn(2, STEPS, 2, 8, 5, generator=torch.Generator().manual_seed(0))
        xs[1, 3:] = xs[0, 3:]
        xs[:, :, :, ROW] = 0.0
        xs[:, list(STARTS), :, ROW] = 1.0
        seen = []
        for x in xs:
            tape = net.tape(STEPS, 5)
            net.begin(tape)
            for t in range(STEPS):
                tape.x_t[t].copy_(x[t])
                net.step(tape, t)
            seen.append(tape.hidden().clone())
        assert bool((seen[0][2] != seen[1][2]).any())
        assert bool((seen[0][3:] != seen[1][3:]).any()) == apart


@pytest.mark.parametrize("core", ["lstm", "plastic", "attention"])
def test_the_gradient_is_that_of_what_was_played(core):
    """The read-outs are the same, and none of a trial's gradient comes from inputs before it."""
    agents = population(core)
    (tape,), (net,) = played(agents).tapes, agents.model.nets
    parameters = net.parameters.clone().requires_grad_()
    torch.testing.assert_close(net.attach(tape, parameters).detach(), tape.heads[: tape.used])
    if core == "lstm":
        cut = Credit(truncate=3)  # at the starts of trials, where nothing passes anyhow
        errors = torch.randn(tape.heads[: tape.used].shape)
        found = [
            torch.autograd.grad((net.attach(tape, parameters, c) * errors).sum(), parameters)[0]
            for c in (Credit(), cut)
        ]
        torch.testing.assert_close(*found)


def test_predict_sets_back_as_in_a_rollout():
    agents = population("gru")
    (tape,) = played(agents).tapes
    state = None
    for t in range(STEPS):
        value = agents[1].value(tape.x_t[t][1].T.numpy(), state)
        np.testing.assert_allclose(value, tape.heads_t[t][1, -1].numpy(), rtol=1e-5, atol=1e-6)
        _, state = agents[1].predict(tape.x_t[t][1].T.numpy(), state)


def test_lives_are_set_back_too():
    """Without memory of earlier trials, lives go as those of agents that cannot remember."""
    config = LifetimeConfig(updates=1, episodes=2)
    lives = {}
    for reset_at in ("episode", "trial"):
        network = NetworkConfig(core="rnn", hidden_size=6, reset_at=reset_at)
        subject = Lifetimes(SPEC, config, network)
        weights = subject.net.initial(40, torch.Generator().manual_seed(0)) * 3
        hyper = torch.tensor([[1e-3, 0.9, 0.5, 0.01]]).expand(40, 4)
        lives[reset_at] = subject.live(weights, hyper, range(40), learning=False).correct
    first = slice(0, 3)
    assert torch.equal(lives["episode"][:, first], lives["trial"][:, first])
    assert not torch.equal(lives["episode"], lives["trial"])


def test_the_input_that_says_where_trials_start_is_needed():
    network = NetworkConfig(core="gru", reset_at="trial")
    spec = EnvironmentSpec("prefrontal/Harlow-v0", ("action", "reward"))
    with pytest.raises(ConfigError, match='needs the input "trial_start"'):
        Population.create(spec, network)
    assert probe(SPEC).input_size == 8
