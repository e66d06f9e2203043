"""Ten modes in a row: what a network keeps of them, with a buffer of fixed size and without.

Every mode shows three of twelve colours, for equal shares of the run; a colour always pays the
same. The buffer is as large for ten modes as for one: a reservoir holds a fair sample of everything
so far. Measured are accuracy after each stage on each mode, and average accuracy, backward and
forward transfer (Lopez-Paz & Ranzato 2017). Settings are those of `course-changing-reward` but a
larger step size and two replayed episodes for each new one, since each of ten modes gets only a
tenth of what is replayed, and an entropy bonus that starts anew in every stage:
docs/findings/long-sequence.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from prefrontal.analysis.choice.continual import transfer
from prefrontal.analysis.figures.continual import against_buffer_size, stage_matrix
from prefrontal.analysis.figures.learning import learning_curve
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.continual.course_changing_reward import EXPERIMENT as COURSE
from prefrontal.experiments.continual.measures import stage_accuracies, untrained_accuracy
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member
from prefrontal.experiments.settings import A2CConfig, Settings, expect

MODES = tuple(range(1, 11))
TRIALS = 1000  # for each entry of the matrix of a member
CAPACITY = 1000  # episodes of the fixed buffer, 10 trials each
SMALL = (100,)  # episodes of smaller ones


def measure(evaluation: Evaluation) -> Outcome:
    """Measure average accuracy after ten modes, forgetting and transfer."""
    matrices: dict[str, np.ndarray] = {}
    findings: list[Finding] = []
    for condition in evaluation.conditions:
        matrix = matrices[condition] = stage_accuracies(evaluation, condition, MODES, TRIALS)
        found = transfer(matrix, untrained_accuracy(evaluation, condition, MODES, TRIALS))
        here = partial(finding, where=f", {condition}")
        bar = 0.95 if condition == "replay" else None
        findings += [
            here("average accuracy after ten modes", found.average, optimum=1.0, bar=bar),
            worst_member(
                f"average accuracy, worst member, {condition}", found.average, "higher", optimum=1.0
            ),
            here("accuracy on a mode just learnt", found.learning, optimum=1.0),
            here("backward transfer", found.backward),
            here("forgetting", found.forgetting, better="lower"),
            here("forward transfer", found.forward),
        ]
    return Outcome(findings, _figures(evaluation, matrices) if evaluation.figures else [])


def _figures(evaluation: Evaluation, matrices: dict[str, np.ndarray]) -> list[Path]:
    """Draw the curve of forgetting, the matrices, and the effect of the size of the buffer."""
    folder = evaluation.folder
    first = next(iter(matrices))
    steps = (
        evaluation.settings[first].training.total_steps / len(MODES) * np.arange(1, len(MODES) + 1)
    )
    seen = {
        # Mean over the modes that have been learnt so far
        condition: np.stack([m[:, k, : k + 1].mean(axis=1) for k in range(len(MODES))])
        for condition, m in matrices.items()
    }
    figures = [
        learning_curve(
            steps,
            seen,
            folder / "modes_so_far.png",
            "accuracy on all modes so far",
            {"chance": 0.5},
        ),
        learning_curve(
            steps,
            {c: m[:, :, 0].T for c, m in matrices.items()},
            folder / "first_mode.png",
            "accuracy on the first mode",
            {"chance": 0.5},
        ),
        stage_matrix({c: matrices[c] for c in list(matrices)[:2]}, folder / "stages.png"),
    ]
    kept = {c: expect(evaluation.settings[c].algorithm, A2CConfig).replay for c in matrices}
    sizes = {c: replay.capacity if replay.keep != "none" else 0 for c, replay in kept.items()}
    if len(sizes) > 2:
        order = sorted(sizes, key=lambda c: sizes[c])
        lost = {"forgetting": np.stack([transfer(matrices[c]).forgetting for c in order])}
        path = folder / "buffer_size.png"
        figures.append(
            against_buffer_size([sizes[c] for c in order], lost, path, "forgetting (accuracy lost)")
        )
    return figures


def _conditions() -> dict[str, Settings]:
    base = COURSE.conditions["replay"].with_options(
        stages=tuple({"mode": str(mode)} for mode in MODES),
        hidden_size=64,
        embedding_size=64,
        total_steps=300_000,
        snapshots=len(MODES),
        learning_rate=1.5e-3,
        learning_rate_final=1.5e-3,
        entropy_coef=0.1,
        anneal="stage",
        replay_capacity=CAPACITY,
        replay_ratio=2.0,
    )
    smaller = {f"buffer-{size}": base.with_options(replay_capacity=size) for size in SMALL}
    without = base.with_options(
        replay="none", policy_cloning=0.0, replay_capacity=2500, replay_ratio=1.0
    )
    return {"no-replay": without, "replay": base, **smaller}


EXPERIMENT = Experiment(
    name="long-sequence",
    summary="ten modes one after the other: a reservoir of fixed size keeps them all",
    reference="Lopez-Paz & Ranzato 2017, NeurIPS 30; "
    "Neuromatch NeuroAI course 2024, W2D4 tutorial 5",
    conditions=_conditions(),
    measure=measure,
    shipped="--members 16",
)
