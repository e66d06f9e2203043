"""The two-step task of Daw et al.: walks, transitions, payments and facts."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.analysis.choice import two_step
from prefrontal.envs.splits import in_train_parity


def test_walks_stay_inside_and_move_as_said():
    task = envs.Daw2011TwoStep()
    params = task.sample(2000, "all", torch.Generator().manual_seed(0))
    p = params["p"]
    assert p.shape == (2000, 201, 2, 2)
    assert p.min() >= 0.25
    assert p.max() <= 0.75
    inside = ((p[:, :-1] - 0.5).abs() < 0.15).flatten()
    steps = p.diff(dim=1).flatten()[inside]
    assert steps.mean() == pytest.approx(0.0, abs=2e-4)
    assert steps.std() == pytest.approx(0.025, rel=0.01)
    # The uniform law is stationary; the four walks are independent.
    for trial in (0, 200):
        assert p[:, trial].mean() == pytest.approx(0.5, abs=0.006)
        assert p[:, trial].std() == pytest.approx(0.5 / 12**0.5, abs=0.004)
    among = np.corrcoef(p[:, 200].flatten(1).T) - np.eye(4)
    assert np.abs(among).max() < 0.09
    assert params["common"].float().mean() == pytest.approx(0.7, abs=0.004)


def test_halves_are_disjoint_and_alike():
    for split in ("train", "held_out"):
        p = envs.Daw2011TwoStep().sample(4000, split, torch.Generator().manual_seed(0))["p"]
        start = (p[:, 0].flatten(1).double() - 0.25) / 0.5
        wrong = in_train_parity(start) != (split == "train")
        assert wrong.float().mean() < 1e-3  # float32 rounding at the edges
        assert p[:, 0].mean() == pytest.approx(0.5, abs=0.006)
        assert p[:, 0].flatten(1).amax(1).mean() == pytest.approx(0.25 + 0.5 * 0.8, abs=0.006)


def test_facts_agree_with_what_is_shown_and_paid(play, random_policy):
    record = {k: v[0] for k, v in play(envs.Daw2011TwoStep(), random_policy(2), 500).items()}
    first, second = slice(0, None, 2), slice(1, None, 2)
    obs, state = record["observation"], record["second_state"]
    assert (obs[:, first, 0] == 1).all()
    assert (obs[:, second, 0] == 0).all()
    assert (obs[:, first, 1:3] == 0).all()
    assert (obs[:, second, 1:3].argmax(-1) == state[:, second]).all()
    assert (obs[:, second, 3:].argmax(-1) == record["action"][:, first]).all()
    assert (obs[:, 2::2, 3:].argmax(-1) == record["action"][:, 0:-2:2]).all()
    assert (obs[:, 0, 3:] == 0).all()
    assert (
        state == np.where(record["common"] == 1, record["first_action"], 1 - record["first_action"])
    ).all()
    p = record["task.p"]
    reached = np.take_along_axis(p, state[:, second, None, None], 2)[:, :, 0]  # [n, T, 2]
    chosen = np.take_along_axis(reached, record["action"][:, second, None], 2)[..., 0]
    close = np.testing.assert_allclose
    close(record["expected_reward"][:, second], chosen)
    close(record["optimal_reward"][:, second], reached.max(-1))
    best = p.max(-1)
    values = 0.7 * best + 0.3 * best[..., ::-1]
    assert (record["optimal_action"][:, first] == values.argmax(-1)).all()
    close(record["optimal_reward"][:, first], values.max(-1), rtol=1e-6)
    assert (record["reward"][:, first] == 0).all()
    paid = record["reward"][:, second]
    assert paid.mean() == pytest.approx(0.5, abs=0.005)
    for low in (0.25, 0.45, 0.65):  # payment rates follow the probabilities
        near = (chosen >= low) & (chosen < low + 0.1)
        assert paid[near].mean() == pytest.approx(chosen[near].mean(), abs=0.012)


def test_the_oracle_earns_what_the_facts_promise(play):
    env = envs.TaskVectorEnv(
        "prefrontal.envs:Daw2011TwoStep", 500, split="held_out", autoreset="disabled"
    )
    _, info = env.reset(seed=0)
    p, paid, promised = info["task"]["p"], 0.0, 0.0
    best = p.max(-1)
    for t in range(env.steps):
        if t % 2 == 0:
            action = (0.7 * best + 0.3 * best[..., ::-1])[:, t // 2].argmax(-1)
        else:
            action = p[np.arange(500), t // 2, info["second_state"]].argmax(-1)
        _, reward, *_, info = env.step(action)
        assert (action == info["optimal_action"]).all()
        paid += reward.mean() / 201
        promised += info["expected_reward"].mean() / 402
    assert paid == pytest.approx(promised, abs=0.006)  # standard error .0015


def test_a_record_suits_the_probes(play, random_policy):
    trials = two_step.trials_of(play(envs.Daw2011TwoStep(), random_policy(2), 50))
    assert trials.first_action.shape == (1, 50, 201)
    assert trials.second_action is not None
    np.testing.assert_allclose(two_step.stay_probabilities(trials), 0.5, atol=0.04)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"low": 0.8}, "low must be below high"),
        ({"transition": 1.5}, "transition must be between 0.5 and 1"),
        ({"drift": -1.0}, "drift must not be negative"),
    ],
)
def test_bad_fields_are_errors(fields, message):
    with pytest.raises(ValueError, match=message):
        envs.Daw2011TwoStep(**fields)
