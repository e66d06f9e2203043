"""Experiments on changing rewards.

An observer of known answer, and every measure on agents that have learnt nothing.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import Population
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.experiments.continual.measures import (
    mode_accuracy,
    mode_pairs,
    pair_accuracies,
    remembering,
    stage_accuracies,
    untrained_accuracy,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment


def untrained(name, folder, conditions=None, snapshots=0, figures=False) -> Evaluation:
    """Agents without training; their snapshots are agents of other seeds."""
    chosen = find_experiment(name).conditions
    chosen = {c: s for c, s in chosen.items() if conditions is None or c in conditions}
    populations, kept = {}, {}
    for condition, settings in chosen.items():
        populations[condition] = Population.create(
            settings.environment, settings.network, members=2
        )
        kept[condition] = [
            (100 * k, Population.create(settings.environment, settings.network, 2, seed=k))
            for k in range(snapshots if settings.training.snapshots else 0)
        ]
    return Evaluation(
        populations, chosen, "held_out", 20, 0, folder, figures=figures, snapshots=kept
    )


def test_pairs_of_a_mode():
    assert mode_pairs(1) == {"red/yellow": 1, "red/green": 2, "yellow/green": 14}
    assert list(mode_pairs(2)) == ["red/green", "red/blue", "green/blue"]
    assert list(mode_pairs(3)) == ["black/magenta", "black/cyan", "magenta/cyan"]
    assert mode_pairs(5)["purple/blue"] == 3 * 12 + 9


def test_agents_that_have_learnt_nothing_are_at_chance(tmp_path):
    evaluation = untrained("course-changing-reward", tmp_path, ["no-replay"], snapshots=4)
    assert mode_accuracy(evaluation, "no-replay", 1) == pytest.approx(0.5, abs=0.05)
    pairs = pair_accuracies(evaluation, "no-replay", 2)
    assert list(pairs) == ["red/green", "red/blue", "green/blue"]
    assert all(values.shape == (2,) for values in pairs.values())
    matrix = stage_accuracies(evaluation, "no-replay", (1, 2), 2000)
    assert matrix.shape == (2, 2, 2)
    # Snapshots 2 and 4 of 4 are the ends of the stages.
    for stage, snapshot in enumerate((1, 3)):
        expected = mode_accuracy(evaluation, "no-replay", 2, snapshot, 2000)
        np.testing.assert_array_equal(matrix[:, stage, 1], expected)
    fresh = untrained_accuracy(evaluation, "no-replay", (1, 2), 2000)
    np.testing.assert_array_equal(
        fresh[:, 1], mode_accuracy(evaluation, "no-replay", 2, None, 2000)
    )


def test_one_who_remembers_by_hand():
    rewards = np.zeros((1, 1, 6, 12))
    rewards[..., :4] = 1, 2, 3, 4
    rewards[:, :, 3:, :4] = 4, 3, 2, 1
    left = np.array([[[3, 3, 1, 3, 0, 0]]])
    right = np.array([[[0, 0, 3, 2, 1, 3]]])
    record = {"task.rewards": rewards, "left": left, "right": right}
    correct = np.stack([remembering(record, seed)[0, 0] for seed in range(200)])
    first = correct[:, 0]
    assert 0.35 < first.mean() < 0.65  # nothing known: a guess
    # It has seen that 3 pays 4 or that 0 pays 1: either tells which to take, and then it knows 3.
    assert correct[:, 1:3].all()
    # Surprise: 3 pays 1 now. All is forgotten, so 0 against 1 is a guess, and 0 against 3 is not.
    assert not correct[:, 3].any()
    assert 0.35 < correct[:, 4].mean() < 0.65
    assert correct[:, 5].all()


@pytest.mark.parametrize("change", ["concept", "covariate"])
def test_one_who_remembers_recovers_on_drawn_changes(change):
    spec = find_experiment("meta-changing-reward").conditions["default"].environment
    spec = replace(spec, kwargs=spec.kwargs | {"change": change})
    envs = make_envs(spec, [0], 300, split="held_out", facts=True)
    rewards = envs.reset(seed=0)[1]["task"]["rewards"].numpy()
    facts = []
    for _ in range(envs.steps):
        facts.append(envs.step(torch.zeros(300, dtype=torch.int64))[4])
    record = {n: torch.stack([f[n] for f in facts], 1)[None].numpy() for n in ("left", "right")}
    since = torch.stack([f["since_switch"] for f in facts], 1).numpy()
    switches = torch.stack([f["switches"] for f in facts], 1).numpy()
    correct = remembering(record | {"task.rewards": rewards[None]})[0]
    late = correct[(since > 9) & (switches > 0)].mean()
    early = correct[(since == 0) & (switches > 0)].mean()
    assert late > 0.95
    assert early < (0.65 if change == "concept" else late)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["course-changing-reward", "long-sequence", "meta-changing-reward"]
)
def test_every_measure_runs_and_draws(name, tmp_path, monkeypatch):
    monkeypatch.setattr("prefrontal.experiments.continual.course_changing_reward.HALF", 100)
    monkeypatch.setattr("prefrontal.experiments.continual.long_sequence.TRIALS", 60)
    chosen = ["no-replay", "replay", "course-buffer", "joint", "buffer-100", "default"]
    evaluation = untrained(name, tmp_path, chosen, snapshots=10, figures=True)
    outcome = find_experiment(name).measure(evaluation)
    assert any(f.bar is not None for f in outcome.findings)
    assert len({finding.name for finding in outcome.findings}) == len(outcome.findings)
    assert len(outcome.figures) >= (1 if name[:4] == "meta" else 2)
    assert all(path.is_file() for path in outcome.figures)
