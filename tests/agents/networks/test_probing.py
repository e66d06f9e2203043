"""Units held or driven while a core runs, and the step of a core by itself."""

import copy
import pickle

import numpy as np
import pytest
import torch

from prefrontal.agents import Population
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import CORES, NetworkConfig
from prefrontal.agents.networks.probing import (
    CoreStep,
    Intervention,
    intervened,
    units_of,
    with_intervention,
)
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.analysis.dynamics.fixed_points import fixed_points
from tests.agents.helpers import BANDIT

UNITS = 6
OWN = {
    "rim": {"modules": 3, "active": 2, "key_size": 2, "value_size": 2},
    "rim-workspace": {"modules": 3, "active": 2, "key_size": 2, "value_size": 2, "slots": 2},
    "attention": {"heads": 2},
    "linear-attention": {"heads": 2},
}
ALL = [name for name in CORES if not name.startswith("test-")]
RECURRENT = [name for name in ALL if "attention" not in name and name not in ("none", "relu")]


def networks(core, members=2):
    """Networks of two members with random weights."""
    config = NetworkConfig(core=core, hidden_size=UNITS, core_kwargs=OWN.get(core, {}))
    model = ActorCritic(4, 3, config, members)
    model.initialise([torch.Generator().manual_seed(m) for m in range(members)])
    model.set_parameters(3 * model.parameters)
    return model


def played(model, steps=5, batch=3):
    """Hidden states ``[T, P, H, B]`` and read-outs of random inputs, and the tape."""
    tapes = model.tapes(steps, batch, every=True)
    inputs = torch.randn(steps, model.members, 4, batch, generator=torch.Generator().manual_seed(9))
    model.begin(tapes)
    for t in range(steps):
        tapes[0].x_t[t].copy_(inputs[t])
        model.step(tapes, t)
    return tapes[0].hidden()[:steps].clone(), tapes[0].heads[:steps].clone(), tapes


@pytest.mark.parametrize("core", ALL)
def test_units_are_held_at_every_step_of_every_core(core):
    """The held units are silent, and through the state (where there is one) the others change."""
    model = networks(core)
    plain, heads, _ = played(model)
    hidden, changed, _ = played(with_intervention(model, Intervention({1: 0.0, 4: 0.5})))
    assert (hidden[:, :, 1] == 0).all()
    assert (hidden[:, :, 4] == 0.5).all()
    others = [0, 2, 3, 5]
    torch.testing.assert_close(hidden[0, :, others], plain[0, :, others])
    reached = (hidden[1:, :, others] - plain[1:, :, others]).abs().max() > 1e-6
    assert bool(reached) is (core in RECURRENT)
    assert not torch.equal(changed, heads)
    again, _, _ = played(with_intervention(model, Intervention()))
    torch.testing.assert_close(again, plain)


def test_what_is_added_goes_on_by_hand():
    """A vanilla unit: h_1 = tanh(x + b) + d, h_2 = tanh(w h_1 + x + b) + d."""
    config = NetworkConfig(core="rnn", hidden_size=1)
    model = ActorCritic(1, 2, config)
    weights = model.parameters
    weights[0, :3] = torch.tensor([1.0, 0.8, 0.1])  # from the input, the unit, the bias
    model.set_parameters(weights)
    model = with_intervention(model, Intervention(added={0: 0.3}))
    tapes = model.tapes(2, 1)
    model.begin(tapes)
    for t in range(2):
        tapes[0].x_t[t].fill_(0.5)
        model.step(tapes, t)
    first = np.tanh(0.6) + 0.3
    wanted = [first, np.tanh(0.8 * first + 0.6) + 0.3]
    np.testing.assert_allclose(tapes[0].hidden()[:2].flatten().numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("core", [name for name in ALL if name not in ("none", "relu")])
def test_the_step_of_a_core_is_that_which_it_takes(core):
    """From every state of a tape to the next one, at the inputs of the tape."""
    model = networks(core)
    _, heads, tapes = played(model)
    for t in (0, 3):
        step = CoreStep(model, tapes[0].x_t[t][1, :, 0], member=1)
        before, after = (
            step.flat(tuple(part[1:2] for part in model.state(tapes, at)[0])) for at in (t, t + 1)
        )
        torch.testing.assert_close(step(before)[:1], after[:1], rtol=1e-4, atol=1e-5)
        said = step.read(before)[0].to(torch.float32)
        torch.testing.assert_close(said, heads[t, 1, :, 0], rtol=1e-4, atol=1e-5)


def test_a_core_comes_to_rest_where_its_step_says():
    model = networks("gru")
    step = CoreStep(model, np.zeros(4))
    starts = torch.rand(12, step.size, dtype=torch.float64) * 2 - 1
    found = fixed_points(step, starts)
    assert found.fixed.any()
    point = torch.from_numpy(found.points[found.fixed])
    torch.testing.assert_close(step(point), point)
    for _ in range(300):
        starts = step(starts)
    resting = (step(starts) - starts).norm(dim=1) < 1e-9
    gaps = torch.cdist(starts[resting], point).min(dim=1).values
    assert resting.any()
    assert float(gaps.max()) < 1e-3


def test_a_population_with_a_lesion_records_and_predicts_so():
    population = Population.create(BANDIT, NetworkConfig(hidden_size=UNITS), members=2)
    cut = intervened(population, Intervention({2: 0.0}))
    envs = make_envs(population.environment, [0, 1], 3, facts=True)
    (record,) = cut.record(envs, 1, seed=0, discount=0.9, hidden=True)
    assert (record["hidden"][..., 2] == 0).all()
    assert (record["hidden"][..., 1] != 0).any()
    assert torch.equal(cut.model.parameters, population.model.parameters)
    agent = pickle.loads(pickle.dumps(copy.deepcopy(cut)[1]))
    _, state = agent.predict(np.zeros(agent.input_size), deterministic=True)
    assert state[0][0, 2] == 0
    _, state = population[1].predict(np.zeros(agent.input_size), deterministic=True)
    assert state[0][0, 2] != 0


def test_words_for_units():
    assert units_of("3, 7,12", 48, 0.0) == {3: 0.0, 7: 0.0, 12: 0.0}
    assert units_of("3=0.5,1=-2", 4, 0.0) == {1: -2.0, 3: 0.5}
    drawn = units_of("random:8=0.5", 48, 0.0, seed=1)
    assert len(drawn) == 8
    assert set(drawn.values()) == {0.5}
    assert drawn == units_of("random:8=0.5", 48, 0.0, seed=1) != units_of("random:8", 48, 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3,x", "units are written 3,7,12, .* not '3,x'"),
        ("3=nan", "units are written"),
        ("3=1e38", "with values up to 1000"),
        ("random:9", "random:9 units: the core has 8"),
        ("8", "there is no unit 8: the core has units 0 to 7"),
    ],
)
def test_words_that_name_no_units(text, message):
    with pytest.raises(ConfigError, match=message):
        units_of(text, 8, 0.0)


def test_what_has_no_state_or_other_inputs():
    with pytest.raises(ConfigError, match="the core none has no state"):
        CoreStep(networks("none"), np.zeros(4))
    with pytest.raises(ConfigError, match=r"inputs must be 4 numbers, .* not \[3\]"):
        CoreStep(networks("gru"), np.zeros(3))
    with pytest.raises(ConfigError, match="recurrent actor-critics and Q-networks alone"):
        intervened(object(), Intervention())
