"""How transitive inference is measured, against numbers counted by hand."""

import numpy as np
import pytest
import torch

from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.population import Population
from prefrontal.experiments.cores.plastic_transitive_inference import (
    accuracy,
    distance_effect,
    frozen,
    share,
)

INPUTS = ("action", "reward", "trial_start")


def record() -> dict[str, np.ndarray]:
    """One member, two episodes of a learning trial and three test trials of two steps."""
    distance = np.repeat([[[1, 1, 3, 2], [1, 3, 1, 4]]], 2, axis=2)
    correct = np.zeros((1, 2, 8), int)
    correct[:, :, 1::2] = [[1, 0, 1, 1], [1, 0, 1, 1]]
    return {
        "distance": distance,
        "adjacent": (distance == 1).astype(int),
        "correct": correct,
        "decision": np.tile([0, 1], (1, 2, 4)),
        "phase": np.tile(np.repeat([0, 1, 1, 1], 2), (1, 2, 1)),
    }


def test_only_choices_in_the_test_count():
    made = record()
    right, all_ = accuracy(made, 1 - made["adjacent"])
    assert right.tolist() == [[2, 1]]
    assert all_.tolist() == [[2, 2]]
    assert share((right, all_)).tolist() == [0.75]
    assert share(accuracy(made, made["adjacent"])).tolist() == [0.5]


def test_the_distance_effect_is_that_of_far_pairs_less_neighbours():
    effect, by_episode = distance_effect(record())
    assert effect.tolist() == pytest.approx([2 / 3 - 1 / 2])
    assert by_episode.mean(1) == pytest.approx(effect)
    # far: (1 - 2/3) / 1.5 and (1 - 4/3) / 1.5; near: (0 - 1/2) / 1 and (1 - 1/2) / 1
    wanted = 1 / 6 + np.array([2 / 9 + 1 / 2, -2 / 9 - 1 / 2])
    assert by_episode[0] == pytest.approx(wanted)


def test_frozen_modulation_is_each_members_mean():
    network = NetworkConfig(core="plastic", hidden_size=6, reset_at="trial")
    population = Population.create("prefrontal/TwoArmedBandit-v0", NetworkConfig(hidden_size=6))
    spec = population.environment
    spec = type(spec)(spec.id, ("action", "reward", "trial_start"), {"trials": 5})
    population = Population.create(spec, network, members=2, seed=3)
    hidden = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 6)).astype(np.float32)
    still = frozen(population, {"hidden": hidden})
    core, other = (
        one.model.nets[0].plain.views(one.model.nets[0].parameters) for one in (population, still)
    )
    weights = core["core.modulator"].numpy()
    for member in range(2):
        level = np.tanh(hidden[member] @ weights[member, :-1] + weights[member, -1]).mean()
        wanted = torch.zeros(7)
        wanted[-1] = float(np.arctanh(level))
        torch.testing.assert_close(other["core.modulator"][member], wanted)
    assert torch.equal(core["core.alpha"], other["core.alpha"])
    assert core["core.modulator"].abs().min() > 0
