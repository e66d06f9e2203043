"""A portrait of agents in any environment: what they earn, choose and compute, trial by trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.bandits import optimal_fraction
from prefrontal.analysis.figures.behaviour import curves_by_trial, hidden_state_pca
from prefrontal.analysis.stats.means import masked_mean

Record = Mapping[str, NDArray]


def outcome_by_trial(agent: Record, random: Record, folder: Path, axis: str) -> Path:
    """Draw the regret by trial (the reward, where no regret is known) beside the random policy's.

    Args:
        agent: Record of the agents, arrays ``[M, E, T]``.
        random: Record of the random policy on the same tasks.
        folder: Where to write ``regret_by_AXIS.png`` or ``reward_by_AXIS.png``.
        axis: What the columns are: "trial" or "step".

    Returns:
        The file.
    """
    what = "regret" if "regret" in agent else "reward"
    curves = {"agents": agent[what].mean(axis=1), "random policy": random[what].mean(axis=1)}
    label = what + (" (0 after the end)" if "mask" in agent else "")
    return curves_by_trial(
        curves, folder / f"{what}_by_{axis}.png", label, xlabel=axis, episodes=agent[what].shape[1]
    )


def choices_by_trial(agent: Record, random: Record, path: Path, axis: str) -> Path:
    """Draw the fraction of optimal choices; if none is known, of every choice or the mean action.

    Args:
        agent: Record of the agents, arrays ``[M, E, T]`` (continuous actions ``[M, E, T, A]``).
        random: Record of the random policy on the same tasks.
        path: Where to write; returned.
        axis: What the columns are: "trial" or "step".
    """
    action = agent["action"]
    if "optimal_action" in agent:
        both = {"agents": agent, "random policy": random}
        curves = {
            name: optimal_fraction(record["action"], record["optimal_action"])
            for name, record in both.items()
        }
        return curves_by_trial(
            curves, path, "fraction of optimal choices", ylim=(0, 1.02), xlabel=axis
        )
    if action.ndim == 4:
        each, label = {f"number {k + 1}": action[..., k] for k in range(action.shape[3])}, "action"
    else:
        count = int(action.max()) + 1
        each, label = {f"action {k}": action == k for k in range(count)}, "fraction of choices"
    curves = {name: _running_mean(values, agent) for name, values in each.items()}
    ylim = (0.0, 1.02) if action.ndim == 3 else None
    return curves_by_trial(curves, path, label + _condition(agent), ylim=ylim, xlabel=axis)


def states_or_values(record: Record, folder: Path, axis: str) -> Path:
    """Draw the first member's hidden states; where episodes end early, values and their errors.

    Args:
        record: Record of the agents with ``hidden [M, E, T, H]``, ``value`` and ``rpe``.
        folder: Where to write ``hidden_states.png`` or ``values.png``.
        axis: What the columns are: "trial" or "step".

    Returns:
        The file.
    """
    if "mask" not in record and record["hidden"].shape[1] > 2:
        name, value = _colour(record)
        return hidden_state_pca(record["hidden"][0], value, folder / "hidden_states.png", name)
    names = {"value": "value", "prediction error": "rpe"}
    curves = {label: _running_mean(record[name], record) for label, name in names.items()}
    label = "predicted reward" + _condition(record)
    return curves_by_trial(curves, folder / "values.png", label, xlabel=axis)


def _colour(record: Record) -> tuple[str, NDArray]:
    """Return what tells the episodes of the first member apart: its name and values ``[E]``.

    The first task parameter that is a number, else the best action at the end, else the return.
    """
    told = {name[5:]: x[0] for name, x in record.items() if name[:5] == "task." and x.ndim == 2}
    if "optimal_action" in record:
        told["best action at the end"] = record["optimal_action"][0, :, -1]
    told["return"] = record["reward"][0].sum(axis=1)
    return next((name, x) for name, x in told.items() if np.ptp(x) > 0 or name == "return")


def _running_mean(values: NDArray, record: Record) -> NDArray:
    """Return the mean over episodes that still run, ``[M, T]``, while some of each member do."""
    mean = masked_mean(values, record.get("mask", True), axis=1)
    return mean[:, np.isfinite(mean).all(axis=0)]


def _condition(record: Record) -> str:
    return " (of running episodes)" if "mask" in record else ""
