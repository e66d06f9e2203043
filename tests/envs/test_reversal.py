"""Reversals: schedules, facts by brute force, and learners that should do well or badly."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.reversal import CENTRE, FIXATION, TARGET


def valid(t, obs, reward):
    """Looks at the centre, then at the target that is shown."""
    return torch.where(obs[:, 0] == 1, CENTRE, (obs[:, 2] == 1).long())


def test_who_knows_the_task_can_infer_the_value(play):
    record = {k: v[0] for k, v in play(envs.InferredValue(), valid, 2000).items()}
    stage, target = record["stage"] == TARGET, record["target"]
    assert (record["stage"][:, :2] == [FIXATION, TARGET]).all()
    assert record["reward"][~stage].max() == 0
    assert (record["reward"][stage] == record["pays"][stage]).all()
    assert (record["action"] == record["optimal_action"]).all()
    assert (record["expected_reward"] == record["reward"]).all()
    assert record["reward"].sum(1).mean() == pytest.approx(25.0, abs=0.5)
    # What is shown
    obs = record["observation"]
    assert (obs.sum(-1) == 1).all()
    assert (obs[:, 0::2, 0] == 1).all()
    assert (obs[:, 1::2, 1:].argmax(-1) == target[:, 1::2]).all()
    # The other target tells: it pays if the one seen last did not, unless they change places.
    pays, shown = record["pays"][:, 1::2], target[:, 1::2]
    other = shown[:, 1:] != shown[:, :-1]
    assert pays[:, 1:][other & (pays[:, :-1] == 0)].mean() == pytest.approx(0.95, abs=0.01)
    assert pays[:, 1:][other & (pays[:, :-1] == 1)].mean() == pytest.approx(0.05, abs=0.01)
    inferred = (record["seen"] == 0) & (record["other_seen"] > 0) & (record["reversals"] > 0)
    assert inferred[:, 1::2].mean() > 0.04  # there is something to measure
    assert (record["pays"] == (target == record["paying"])).all()


def test_history_facts_by_brute_force(play):
    record = {k: v[0] for k, v in play(envs.InferredValue(reversal=0.2), valid, 30).items()}
    target, paying = record["task.target"], record["task.paying"]
    for row in range(30):
        for trial in range(50):
            start = trial
            while start > 0 and paying[row, start - 1] == paying[row, trial]:
                start -= 1
            since = list(target[row, start:trial])
            at = 2 * trial + 1
            assert record["since_reversal"][row, at] == trial - start
            assert record["reversals"][row, at] == (np.diff(paying[row, : trial + 1]) != 0).sum()
            assert record["seen"][row, at] == since.count(target[row, trial])
            assert record["other_seen"][row, at] == since.count(1 - target[row, trial])


def test_invalid_actions_cost(play, random_policy):
    record = {k: v[0] for k, v in play(envs.InferredValue(), random_policy(3), 500).items()}
    wrong = record["action"] != record["optimal_action"]
    assert (record["reward"][wrong] == -1).all()
    assert (record["reward"][~wrong] >= 0).all()
    assert wrong.mean() == pytest.approx(2 / 3, abs=0.02)
    assert (record["expected_reward"] == record["reward"]).all()
    assert (record["optimal_reward"] >= record["expected_reward"]).all()
    free = envs.InferredValue(penalty=0.0)
    assert play(free, random_policy(3), 50)["reward"].min() == 0
    assert free.reward_values == (0.0, 1.0)


def test_halves_of_inferred_value_are_disjoint_and_alike():
    for split in ("train", "held_out"):
        params = envs.InferredValue().sample(8000, split, torch.Generator().manual_seed(0))
        target = params["target"]
        assert (target.sum(1) % 2 == int(split == "held_out")).all()
        assert target.float().mean(0).numpy() == pytest.approx(0.5, abs=0.025)
        assert np.abs(np.corrcoef(target.T) - np.eye(50)).max() < 0.06
        paying = params["paying"]
        assert paying.float().mean() == pytest.approx(0.5, abs=0.02)
        assert (paying.diff(dim=1) != 0).float().mean() == pytest.approx(0.05, abs=0.003)


class TestVolatility:
    def test_schedule_is_as_said(self):
        params = envs.Volatility().sample(8000, "all", torch.Generator().manual_seed(0))
        good, pays, volatile = params["good"], params["pays"], params["volatile"]
        assert (pays == good).float().mean() == pytest.approx(0.8, abs=0.002)
        changes = good.diff(dim=1) != 0
        for kind, rate in ((0, 0.01), (1, 0.1)):
            now = volatile[:, 1:] == kind
            assert changes[now].float().mean() == pytest.approx(rate, rel=0.05)
        assert (volatile[:, :100] == volatile[:, :1]).all()
        assert (volatile[:, 100:] == 1 - volatile[:, :1]).all()
        assert volatile[:, 0].float().mean() == pytest.approx(0.5, abs=0.02)
        whole = envs.Volatility(block=200).sample(500, "all", torch.Generator().manual_seed(0))
        assert (whole["volatile"].float().std(dim=1) == 0).all()

    def test_halves_are_disjoint_and_alike(self):
        rows = []
        for split in ("train", "held_out"):
            params = envs.Volatility().sample(4000, split, torch.Generator().manual_seed(0))
            good, pays = params["good"], params["pays"]
            parity = ((good != pays).sum(1) + good[:, 0]) % 2
            assert (parity == int(split == "held_out")).all()
            assert good[:, 0].float().mean() == pytest.approx(0.5, abs=0.03)
            assert (good == pays).float().mean() == pytest.approx(0.8, abs=0.003)
            rows.append({tuple(row) for row in torch.cat([good, pays], 1).tolist()})
        assert not rows[0] & rows[1]

    def test_exactly_one_arm_pays_and_facts_agree(self, play):
        left, right = (
            play(envs.Volatility(), lambda t, obs, r, a=a: torch.full((len(obs),), a), 500)
            for a in (0, 1)
        )
        assert (left["reward"] + right["reward"] == 1).all()
        assert (left["optimal_action"] == left["task.good"]).all()
        at_best = right["optimal_action"] == 1
        assert right["expected_reward"][at_best] == pytest.approx(0.8, abs=1e-6)
        assert right["expected_reward"][~at_best] == pytest.approx(0.2, abs=1e-6)
        assert right["reward"][at_best].mean() == pytest.approx(0.8, abs=0.01)
        assert (left["volatile"] == left["task.volatile"]).all()
        assert (left["since_reversal"] <= left["trial"]).all()
        just = left["since_reversal"][..., 1:] == 0
        assert (just == (np.diff(left["task.good"]) != 0)).all()

    def test_learning_fast_pays_in_volatile_times_only(self, play):
        def rescorla_wagner(rate):
            def policy(t, obs, reward):
                if t == 0:
                    policy.value = torch.full((len(obs),), 0.5)  # that arm 1 pays
                else:
                    seen = torch.where(policy.action == 1, reward, 1 - reward)
                    policy.value = policy.value + rate * (seen - policy.value)
                policy.action = (policy.value > 0.5).long()
                return policy.action

            return policy

        earned = {}
        for rate in (0.1, 0.5):
            record = play(envs.Volatility(), rescorla_wagner(rate), 3000)
            settled = (record["trial"] % 100) >= 20  # standard error .001
            for kind in (0, 1):
                now = settled & (record["volatile"] == kind)
                earned[rate, kind] = record["expected_reward"][now].mean()
        assert earned[0.1, 0] > earned[0.5, 0] + 0.01
        assert earned[0.5, 1] > earned[0.1, 1] + 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: envs.InferredValue(trials=1), "trials must be at least 2, not 1"),
        (lambda: envs.InferredValue(penalty=-1.0), "penalty must not be negative"),
        (lambda: envs.InferredValue(reversal=2.0), r"reversal must be between 0 and 1, not 2.0"),
        (lambda: envs.Volatility(block=0), "block must be at least 1"),
        (lambda: envs.Volatility(reward=0.3), r"reward must be between 0.5 and 1, not 0.3"),
    ],
)
def test_bad_fields_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_schedules_by_hand():
    env = envs.TaskVectorEnv("prefrontal.envs:Volatility", 1, trials=2, split="all")
    task = {"good": [[0, 0]], "pays": [[0, 1]], "volatile": [[0, 0]]}
    env.reset(seed=0, options={"task": task})
    assert env.step([0])[1][0] == 1.0
    assert env.step([0])[1][0] == 0.0
    with pytest.raises(ValueError, match=r"must be \['good', 'pays', 'volatile'\]"):
        env.reset(options={"task": {"good": [[0, 0]]}})
