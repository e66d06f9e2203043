"""The Stable-Baselines3 face: its VecEnv semantics, and SB3 training and evaluating on it."""

import warnings

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from prefrontal import envs


def make(num_envs=3, trials=5, **kwargs):
    task = envs.TwoArmedBandit(trials=trials)
    return envs.to_sb3_vec_env(envs.TaskVectorEnv(task, num_envs, **kwargs))


@pytest.mark.parametrize("name", envs.TASKS)
def test_sb3_checker_passes_on_the_single_face(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"prefrontal/{name}-v0").unwrapped)


def test_end_of_an_episode_is_as_in_dummy_vec_env():
    env = make()
    env.seed(0)
    env.reset()
    total = np.zeros(3)
    for t in range(10):
        obs, reward, done, infos = env.step(np.array([0, 1, t % 2]))
        assert reward.dtype == np.float32
        assert len(infos) == 3
        total += reward
        for row, info in enumerate(infos):
            assert info["TimeLimit.truncated"] is False
            assert done[row] == (t % 5 == 4) == ("terminal_observation" in info)
            if done[row]:
                assert info["terminal_observation"][-1] == 1.0  # t / T
                assert info["episode"]["r"] == total[row]
                assert info["episode"]["l"] == 5
        if done.any():
            total[:] = 0
            assert (obs[:, 1:] == 0).all()


def test_same_observations_rewards_and_ends_as_dummy_vec_env_of_one_row():
    task = envs.TwoArmedBandit(trials=5)
    a, b = make(1), DummyVecEnv([lambda: envs.TaskEnv(task)])
    for env in (a, b):
        env.seed(4)
    assert (a.reset() == b.reset()).all()
    for t in range(12):
        action = np.array([t % 2])
        for x, y in zip(a.step(action)[:3], b.step(action)[:3], strict=True):
            assert (x == y).all()
            assert x.dtype == y.dtype


def test_seed_and_options_are_used_once():
    env = make()
    env.seed(3)
    env.set_options({"task": {"p": [1.0, 0.0]}})
    env.reset()
    assert (env.vector_info["task"]["p"] == [1.0, 0.0]).all()
    env.reset()
    first = env.vector_info["task"]["p"]
    assert (first != [1.0, 0.0]).any()
    env.reset()
    assert (env.vector_info["task"]["p"] != first).any()


def test_attributes_and_methods_reach_the_environment():
    env = make()
    assert env.get_attr("steps") == [5, 5, 5]
    assert env.get_attr("steps", indices=[0]) == [5]
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert len(env.env_method("random_state")) == 3
    for indices in (0, np.int64(0), [0], [0, 2], -1, []):
        with pytest.raises(ValueError, match=r"rows share one environment .* indices must be None"):
            env.set_attr("split", "all", indices=indices)
        with pytest.raises(ValueError, match=r"rows share one environment .* indices must be None"):
            env.env_method("reset", indices=indices)
    assert len(env.env_method("random_state", indices=range(3))) == 3


def test_reset_as_a_method_counts_returns_anew():
    env = make(3, trials=4)
    env.seed(0)
    expected = env.reset()
    env.step(np.zeros(3, dtype=int))
    returned = env.env_method("reset", seed=0)
    assert [info for _, info in returned] == [{}] * 3
    assert (np.stack([row for row, _ in returned]) == expected).all()
    rewards = [env.step(np.zeros(3, dtype=int)) for _ in range(4)]
    for row, info in enumerate(rewards[-1][3]):
        assert info["episode"]["l"] == 4
        assert info["episode"]["r"] == sum(step[1][row] for step in rewards)


def test_sb3_learns_logs_and_evaluates():
    env = make(8, trials=10)
    model = A2C("MlpPolicy", env, n_steps=10, seed=0, device="cpu").learn(800)
    assert model.ep_info_buffer is not None
    assert len(model.ep_info_buffer) == 80
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, _ = evaluate_policy(model, make(8, trials=10), n_eval_episodes=16)
    assert 0 <= mean <= 10
    VecNormalize(make()).reset()


def test_recurrent_ppo_trains_on_our_environments():
    contrib = pytest.importorskip("sb3_contrib", reason="the peer needs the bench extra")
    model = contrib.RecurrentPPO(
        "MlpLstmPolicy", make(8, trials=10), n_steps=10, batch_size=80, n_epochs=1, device="cpu"
    )
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(160)
    assert model.num_timesteps == 160
    assert any((a != b).any() for a, b in zip(before, model.policy.parameters(), strict=True))


def test_other_environments_are_errors():
    with pytest.raises(TypeError, match="expected a gymnasium VectorEnv; got TaskEnv"):
        envs.to_sb3_vec_env(envs.TaskEnv(envs.TwoArmedBandit()))
    with pytest.raises(ValueError, match="SB3 needs autoreset mode SAME_STEP"):
        make(autoreset="disabled")
    with pytest.raises(ValueError, match="tensors=False"):
        make(tensors=True)
