"""What the experiments on changing rewards share: accuracies, matrices of stages, an observer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrontal.analysis.choice.continual import confusion_by_pair, pair_accuracy
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.settings import NetworkConfig, expect

TRIALS = 5000  # of each mode, on which accuracies are measured


def mode_pairs(mode: int) -> dict[str, int]:
    """Return the code of each pair of colours ("red/yellow", worst first) of a numbered mode."""
    from prefrontal.envs.changing_modes import COLOURS, PALETTE, SETS

    shown = sorted(SETS[mode - 1], key=lambda name: PALETTE[name][1])
    found = {}
    for place, one in enumerate(shown):
        for two in shown[place + 1 :]:
            low, high = sorted((COLOURS.index(one), COLOURS.index(two)))
            found[f"{one}/{two}"] = low * len(COLOURS) + high
    return found


def _record(
    evaluation: Evaluation, condition: str, mode: int, snapshot: int | None, trials: int
) -> Record:
    """Record about so many trials of one mode: enough episodes, however long they are."""
    spec = evaluation.populations[condition].environment.stage(-1)
    episodes = max(1, round(trials / spec.kwargs.get("trials", 100)))
    return evaluation.record(condition, episodes=episodes, snapshot=snapshot, mode=str(mode))


def pair_accuracies(
    evaluation: Evaluation,
    condition: str,
    mode: int,
    snapshot: int | None = None,
    trials: int = TRIALS,
) -> dict[str, np.ndarray]:
    """Return the fraction of right choices for every pair of a mode, ``[M]`` by its name."""
    record = _record(evaluation, condition, mode, snapshot, trials)
    pairs = mode_pairs(mode)
    table = pair_accuracy(record["correct"], record["pair"], list(pairs.values()))
    return dict(zip(pairs, table.T, strict=True))


def pair_counts(
    evaluation: Evaluation, condition: str, modes: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return how often each pair was chosen right, and shown, in each episode, ``[M, E]`` by name.

    Of pairs that several modes have, those of the last.
    """
    right: dict[str, np.ndarray] = {}
    shown: dict[str, np.ndarray] = {}
    for mode in modes:
        record = _record(evaluation, condition, mode, None, TRIALS)
        for name, code in mode_pairs(mode).items():
            there = record["pair"] == code
            right[name] = (record["correct"] * there).sum(axis=2)
            shown[name] = there.sum(axis=2)
    return right, shown


def mode_accuracy(
    evaluation: Evaluation,
    condition: str,
    mode: int,
    snapshot: int | None = None,
    trials: int = TRIALS,
) -> np.ndarray:
    """Return the fraction of right choices in a mode, ``[M]``; all its pairs count alike."""
    found = pair_accuracies(evaluation, condition, mode, snapshot, trials)
    return np.asarray(np.mean(list(found.values()), axis=0))


def stage_accuracies(
    evaluation: Evaluation, condition: str, modes: Sequence[int], trials: int = TRIALS
) -> np.ndarray:
    """Return the accuracy after each stage on each mode, R ``[M, stages, modes]``.

    A snapshot at the end of every stage is needed.
    """
    kept = evaluation.snapshots(condition)
    each = len(kept) // len(modes)
    ends = [each * (stage + 1) - 1 for stage in range(len(modes))]
    rows = [
        [mode_accuracy(evaluation, condition, mode, end, trials) for mode in modes] for end in ends
    ]
    return np.array(rows).transpose(2, 0, 1)


def untrained_accuracy(
    evaluation: Evaluation, condition: str, modes: Sequence[int], trials: int = TRIALS
) -> np.ndarray:
    """Return the accuracy of random agents like those of a condition, b ``[M, modes]``."""
    from prefrontal.agents.population import Population

    settings = evaluation.settings[condition]
    trained = evaluation.populations[condition]
    fresh = Population.create(
        trained.environment, expect(settings.network, NetworkConfig), len(trained), trained.seed
    )
    beside = Evaluation(
        {condition: fresh},
        {condition: settings},
        evaluation.split,
        evaluation.episodes,
        evaluation.seed,
        evaluation.folder,
        figures=False,
    )
    found = [mode_accuracy(beside, condition, mode, None, trials) for mode in modes]
    return np.stack(found, axis=1)


def confusion(
    evaluation: Evaluation, condition: str, modes: Sequence[int], colours: Sequence[str]
) -> np.ndarray:
    """Return how often each colour was chosen over each other one, over modes, ``[M, S, S]``."""
    from prefrontal.envs.changing_modes import COLOURS

    records = [_record(evaluation, condition, mode, None, TRIALS) for mode in modes]
    left, right, chosen = (
        np.concatenate([record[name] for record in records], axis=1)
        for name in ("left", "right", "chosen")
    )
    return confusion_by_pair(left, right, chosen, [COLOURS.index(name) for name in colours])


def remembering(record: Record, seed: int = 0) -> np.ndarray:
    """Return whether an observer with a memory is right on the tasks of a record, ``[M, E, T]``.

    It remembers what every colour paid when it was last chosen, and forgets all the others when a
    colour pays something else than it did. Of two colours it knows it takes the better one; a
    single one it knows it takes if that paid more than the mean of 1 to 4; else it guesses. It is
    meant for sudden changes; rewards that drift surprise it on every trial.
    """
    rewards = record["task.rewards"]  # [M, E, T, colours]
    left, right = record["left"], record["right"]
    rng = np.random.default_rng([seed, 11])
    members, episodes, trials, colours = rewards.shape
    memory = np.zeros((members, episodes, colours))  # 0: nothing known
    correct = np.zeros(left.shape, dtype=bool)
    middle = 2.5
    for t in range(trials):
        sides = np.stack([left[..., t], right[..., t]], axis=-1)
        known = np.take_along_axis(memory, sides, axis=-1)
        worth = np.where(known > 0, known, middle)
        tie = worth[..., 0] == worth[..., 1]
        action = np.where(tie, rng.random(tie.shape) < 0.5, worth[..., 1] > worth[..., 0])
        pays = np.take_along_axis(rewards[..., t, :], sides, axis=-1)
        took = action.astype(np.int64)[..., None]
        paid, expected = (np.take_along_axis(x, took, axis=-1) for x in (pays, known))
        correct[..., t] = paid[..., 0] >= pays.max(axis=-1)
        surprised = (expected > 0) & (np.abs(paid - expected) > 1e-4)
        memory = np.where(surprised, 0.0, memory)
        np.put_along_axis(memory, np.take_along_axis(sides, took, axis=-1), paid, axis=-1)
    return correct
