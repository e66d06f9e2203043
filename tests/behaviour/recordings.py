"""A simulated recording: a learner's choices as a table, and units that code its values."""

import csv
from pathlib import Path

import numpy as np

from prefrontal.behaviour.recordings import Recording, write_spikes

SESSIONS, TRIALS = 20, 80


def learner(seed=0):
    """Choices of a Rescorla-Wagner learner in a reversing bandit, and its latent variables.

    Returns:
        Columns of a table and ``value``, ``rpe``, arrays ``[SESSIONS * TRIALS]`` by name.
    """
    rng = np.random.default_rng(seed)
    found = {name: [] for name in ("session", "trial", "choice", "reward", "value", "rpe")}
    for session in range(SESSIONS):
        values, better = np.full(2, 0.5), int(rng.integers(2))
        for trial in range(TRIALS):
            better = 1 - better if rng.random() < 0.05 else better
            choice = int(rng.random() < 1 / (1 + np.exp(-4 * (values[1] - values[0]))))
            reward = float(rng.random() < (0.8 if choice == better else 0.2))
            error = reward - values[choice]
            row = (session, trial, choice, reward, values[1] - values[0], error)
            for name, value in zip(found, row, strict=True):
                found[name].append(value)
            values[choice] += 0.3 * error
    return {name: np.array(values) for name, values in found.items()}


def recording(said, recorded=4, units=9, seed=1):
    """Poisson counts in some sessions: a third of the units code the value, a third the error."""
    rng = np.random.default_rng(seed)
    counts = np.full((len(said["session"]), 2, recorded * units), np.nan)
    for s in range(recorded):
        rows = said["session"] == s
        for u in range(units):
            drift = np.cumsum(rng.normal(size=TRIALS)) * 0.05
            code = said[["value", "rpe", "rpe"][u % 3]][rows]
            size = [2.0, 1.5, 0.0][u % 3]
            rate = np.exp(1.0 + size * (code - code.mean()) + drift - drift.mean())
            counts[rows, :, s * units + u] = rng.poisson(rate[:, None] * np.ones(2))
    there = said["session"] < recorded
    return Recording(
        counts[there],
        {name: tuple(map(str, said[name][there])) for name in ("session", "trial")},
        tuple(["ACC", "OFC", "none"] * (recorded * units // 3)),
        bins=np.array([0.0, 0.25, 0.5]),
        name="spikes.npz",
    )


def write(folder: Path):
    """Write ``data.csv`` and ``spikes.npz``; return what the learner did."""
    said = learner()
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "session", "trial", "choice", "reward"])
        for row in zip(*(said[name] for name in list(said)[:4]), strict=True):
            writer.writerow(["A", *row])
    write_spikes(folder / "spikes.npz", recording(said))
    return said
