"""Harlow's task: one trial tells all, objects of the halves are disjoint, sides are shuffled."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.analysis.choice.choice import learning_set_curve
from prefrontal.envs.harlow import object_vectors


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_one_who_has_learned_to_learn_reaches_the_optimum(play, learned_to_learn, split):
    record = play(envs.Harlow(), learned_to_learn, 20_000, split)
    returns = record["reward"][0].sum(1)
    assert returns.mean() == pytest.approx(5.0, abs=0.03)  # standard error .007
    curve = learning_set_curve(record["correct"], record["trial"], 6)[0]
    assert curve[0] == pytest.approx(0.5, abs=0.015)
    assert (curve[1:] == 1).all()


def test_chance_and_facts(play, random_policy):
    record = {k: v[0] for k, v in play(envs.Harlow(), random_policy(2), 20_000).items()}
    assert record["reward"].sum(1).mean() == pytest.approx(0.0, abs=0.07)  # standard error .017
    assert (record["reward"] == record["expected_reward"]).all()
    assert (record["correct"] == (record["reward"] == 1)).all()
    assert (record["optimal_action"] == record["task.side"]).all()
    assert (record["optimal_reward"] == 1).all()
    vectors, objects, side = object_vectors(8, False), record["task.objects"], record["task.side"]
    left = np.where(side == 0, objects[:, :1], objects[:, 1:])
    assert (record["observation"][..., :8] == vectors[left]).all()
    # Sides are fair on every trial and say nothing about the next.
    assert side.mean(0) == pytest.approx(0.5, abs=0.015)
    assert np.abs(np.corrcoef(side.T) - np.eye(6)).max() < 0.03


def test_halves_share_no_object_and_pairs_are_unequal():
    seen = {}
    for split in ("train", "held_out", "all"):
        pair = envs.Harlow().sample(50_000, split, torch.Generator().manual_seed(0))["objects"]
        assert (pair[:, 0] != pair[:, 1]).all()
        seen[split] = set(pair.flatten().tolist())
    assert seen["train"] == set(range(1000))
    assert seen["held_out"] == set(range(1000, 2000))
    assert seen["all"] == set(range(2000))


@pytest.mark.parametrize("dimension", [2, 8, 16])
def test_objects_are_unit_vectors_and_all_different(dimension):
    vectors = object_vectors(dimension, False)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)
    assert len(np.unique(vectors, axis=0)) == 2000
    assert vectors.mean(0) == pytest.approx(0.0, abs=0.06)
    assert object_vectors(dimension, True).std() == pytest.approx(1.0, abs=0.02)
    env = envs.TaskVectorEnv("prefrontal.envs:Harlow", 100, dimension=dimension, unit_variance=True)
    obs, _ = env.reset(seed=0)
    assert obs in env.observation_space


def test_pairs_by_hand():
    env = envs.TaskVectorEnv("prefrontal.envs:Harlow", 1, trials=2, inputs=())
    obs, _ = env.reset(seed=0, options={"task": {"objects": [[3, 1500]], "side": [[1, 0]]}})
    vectors = object_vectors(8, False)
    assert (obs[0] == np.concatenate([vectors[1500], vectors[3]])).all()
    obs, reward, *_ = env.step([0])
    assert reward[0] == -1.0
    assert (obs[0] == np.concatenate([vectors[3], vectors[1500]])).all()
    assert env.step([0])[1][0] == 1.0
    with pytest.raises(ValueError, match="must hold two different objects in every row"):
        env.reset(options={"task": {"objects": [[3, 3]], "side": [[1, 0]]}})
    with pytest.raises(ValueError, match=r"'objects' must lie in \[0, 1999\]"):
        env.reset(options={"task": {"objects": [[3, 2000]], "side": [[1, 0]]}})


def test_bad_fields_are_errors():
    with pytest.raises(ValueError, match="dimension must be at least 2, not 1"):
        envs.Harlow(dimension=1)
    with pytest.raises(ValueError, match="trials must be at least 1"):
        envs.Harlow(trials=0)
