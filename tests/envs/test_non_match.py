"""Delayed non-match to sample: what is shown when, and the error of a trial."""

import numpy as np
import pytest
import torch

from prefrontal import envs

TYPES = [[0, 0], [0, 1], [1, 0], [1, 1]]


def episode(actions, **fields):
    """Play all four trial types with the same outputs ``[T]``; observations and rewards [T, 4]."""
    env = envs.TaskVectorEnv(
        "prefrontal.envs:DelayedNonMatchToSample", 4, inputs=(), autoreset="disabled", **fields
    )
    obs, info = env.reset(seed=0, options={"task": {"stimuli": TYPES}})
    shown, paid, facts = [obs], [], []
    for action in actions:
        obs, reward, over, _, info = env.step(np.full((4, 1), action, np.float32))
        shown.append(obs)
        paid.append(reward)
        facts.append(info)
    assert over.all()
    return np.array(shown[:-1]), np.array(paid), facts


def test_times_are_those_of_the_published_code():
    shown, paid, facts = episode(np.zeros(1000))
    first, second, nothing = np.zeros((3, 1000), bool)
    first[1:201] = second[400:600] = True  # 200 columns from column 1, and from column 400
    for row, (one, other) in enumerate(TYPES):
        expected = np.zeros((1000, 2))
        expected[first, one] = expected[second, other] = 1
        assert (shown[:, row] == expected).all()
    assert [step["response"][0] for step in facts] == [0] * 800 + [1] * 200
    assert [step["target"].tolist() for step in facts[:1]] == [
        pytest.approx([-0.98, 0.98, 0.98, -0.98])
    ]
    assert (paid[:-1] == 0).all()
    assert paid[-1] == pytest.approx([-0.98] * 4)
    assert not nothing.any()


@pytest.mark.parametrize("step_ms", [1, 10, 40])
def test_the_error_is_the_mean_distance_in_the_response_period_alone(step_ms):
    steps, response = 1000 // step_ms, 200 // step_ms
    outputs = np.full(steps, -1.0)  # whatever comes before counts nothing
    outputs[-response:] = 0.98
    outputs[-1] = -0.98
    shown, paid, _ = episode(outputs, step_ms=step_ms)
    assert (shown.sum(0).sum(1) == 2 * response).all()
    # Where the stimuli differ one step of the period is 1.96 away; else all but one are.
    wrong, right = 1.96 * (response - 1) / response, 1.96 / response
    assert paid.sum(0) == pytest.approx([-wrong, -right, -right, -wrong], abs=1e-5)
    assert (paid[:-1] == 0).all()


def test_types_are_equally_probable_and_none_is_held_out():
    task = envs.DelayedNonMatchToSample()
    for split in ("train", "all"):
        stimuli = task.sample(20_000, split, torch.Generator().manual_seed(0))["stimuli"]
        counts = torch.bincount(2 * stimuli[:, 0] + stimuli[:, 1]) / 20_000
        assert counts.numpy() == pytest.approx(0.25, abs=0.012)  # standard error .003
    with pytest.raises(ValueError, match=r"nothing can be held out .* use split='all'"):
        envs.TaskVectorEnv(task, 2, split="held_out")


def test_steps_divide_the_periods():
    with pytest.raises(ValueError, match="step_ms must be a divisor of 200, not 3"):
        envs.DelayedNonMatchToSample(step_ms=3)
    assert envs.DelayedNonMatchToSample(step_ms=200).steps == 5
