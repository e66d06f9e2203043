"""Foraging: baits that stay, against a simulation with baits and against the best policy."""

import numpy as np
import pytest
import torch

from prefrontal import envs


def test_rewards_are_those_of_baits_that_stay(play):
    p = np.tile([[0.1, 0.4]], (4000, 1))
    sequence = torch.randint(2, (100,), generator=torch.Generator().manual_seed(0))
    record = play(
        envs.Foraging(),
        lambda t, obs, reward: torch.full((len(obs),), int(sequence[t])),
        4000,
        options={"task": {"p": p}},
    )
    # Baits, trial by trial
    rng = np.random.default_rng(0)
    baited, paid = np.zeros((4000, 2), dtype=bool), []
    for target in sequence.tolist():
        baited |= rng.random((4000, 2)) < p
        paid.append(baited[:, target].copy())
        baited[:, target] = False
    expected = record["expected_reward"][0, 0]
    assert np.mean(paid, axis=1) == pytest.approx(expected, abs=0.035)  # standard error .008
    assert record["reward"][0].mean(0) == pytest.approx(expected, abs=0.035)
    assert record["reward"].sum(-1).mean() == pytest.approx(np.sum(paid) / 4000, abs=0.35)
    # And from the formula: 1 - (1 - p)^(n + 1), n trials since the target was last chosen
    last = {0: -1, 1: -1}
    for t, target in enumerate(sequence.tolist()):
        waits = t - last[target] - 1
        assert expected[t] == pytest.approx(1 - (1 - p[0, target]) ** (waits + 1), abs=1e-5)
        last[target] = t


def best_return(p, trials):
    """Most that can be earned by one who knows p, by dynamic programming over waiting times."""

    def chance(target, waited):
        return 1 - (1 - p[target]) ** (waited + 1)

    waits = np.arange(1, trials + 1)
    value = np.zeros((2, trials + 2))  # by target chosen last, and how long the other one waits
    for _ in range(trials - 1):
        new = np.zeros_like(value)
        for last in (0, 1):
            stay = chance(last, 0) + value[last, waits + 1]
            switch = chance(1 - last, waits) + value[1 - last, 1]
            new[last, 1:-1] = np.maximum(stay, switch)
        value = new
    return max(chance(first, 0) + value[first, 1] for first in (0, 1))


def test_taking_the_better_target_now_is_nearly_the_best():
    p0 = np.array([0.01, 0.05, 0.1, 0.17, 0.23, 0.4])
    p = np.column_stack([p0, 0.5 - p0]).astype(np.float32)
    env = envs.TaskVectorEnv("prefrontal.envs:Foraging", 6, autoreset="disabled")
    env.reset(seed=0, options={"task": {"p": p}})
    earned, advice = np.zeros(6), np.zeros(6, dtype=int)
    for _ in range(100):
        facts = env.task.facts(env._params, env._state, torch.from_numpy(advice))
        advice = facts["optimal_action"].numpy()
        info = env.step(advice)[-1]
        assert (info["expected_reward"] == info["optimal_reward"]).all()
        earned += info["expected_reward"]
    best = np.array([best_return(row, 100) for row in p])
    assert (earned <= best + 1e-3).all()
    assert (earned > 0.99 * best).all()


def test_halves_are_the_published_ranges():
    for split, ranges in {
        "train": ((0, 0.1), (0.2, 0.3), (0.4, 0.5)),
        "held_out": ((0.1, 0.2), (0.3, 0.4)),
    }.items():
        p = envs.Foraging().sample(20_000, split, torch.Generator().manual_seed(0))["p"].double()
        assert torch.allclose(p.sum(1), torch.tensor(0.5, dtype=torch.float64))
        inside = [((p[:, 0] >= a - 1e-6) & (p[:, 0] <= b + 1e-6)) for a, b in ranges]
        assert torch.stack(inside).any(0).all()
        for part in inside:
            assert part.float().mean() == pytest.approx(1 / len(ranges), abs=0.015)
        assert p[:, 0].mean() == pytest.approx(0.25, abs=0.005)


def test_targets_that_never_and_always_pay(play, random_policy):
    options = {"task": {"p": [[0.0, 1.0]] * 50}}
    record = play(envs.Foraging(), random_policy(2), 50, options=options)
    assert (record["reward"] == record["action"]).all()
    with pytest.raises(ValueError, match="trials must be at least 1"):
        envs.Foraging(trials=0)
