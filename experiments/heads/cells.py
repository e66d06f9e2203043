"""What is seen of single cells: heads and their controls, and units that have no heads.

The controls of `distributional-dopamine`: a scalar critic plus noise, and cells whose errors and
values are not coupled (Dabney et al. 2020, extended data figure 4); and the optimism of plain units
(Muller et al. 2024) beside its null models.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.figures.members import scatter_by_member
from prefrontal.analysis.neural import distributional as dist
from prefrontal.analysis.neural.optimism import Optimism, linear_units, unit_optimism
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.bandits.measures import regret_finding
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import finding

AMOUNTS = np.array([0.1, 0.3, 1.2, 2.5, 5.0, 10.0, 20.0])  # microlitres, as in the task
LARGEST = AMOUNTS[-1]
SIZE = 9
LEVELS = dist.head_levels(SIZE)
EPISODES = 400  # of each member on the same distribution or gamble, and of hidden states
SHUFFLES = 200


def cell_findings(seed: int, came: np.ndarray, errors: np.ndarray) -> list[Finding]:
    """Return what is seen of cells: heads, a scalar critic plus noise, cells without coupling."""
    rng = np.random.default_rng([seed, 5])
    noise = errors.std() * rng.normal(size=errors.shape)
    critic = errors.mean(axis=-1, keepdims=True)
    members = len(came)
    kinds = {
        "heads": (came, 2 * np.abs(LEVELS - (errors < 0)) * errors + noise),
        "scalar critic plus noise": (came, critic + noise),
    }
    made: dict[bool, dist.Cells] = {}
    for coupled, name in ((True, "simulated, coupled"), (False, "simulated, uncoupled")):
        made[coupled] = cells = dist.simulate_cells(
            AMOUNTS / LARGEST,
            np.full(len(AMOUNTS), 1 / len(AMOUNTS)),
            LEVELS,
            runs=members,
            noise=float(errors.std()),
            coupled=coupled,
            seed=seed,
        )
        learned = slice(cells.index.shape[1] // 2, None)
        # Two halves as two "episodes": trials of even and of odd number
        index = cells.index[:, learned].reshape(members, -1, 2).swapaxes(1, 2)
        signal = cells.responses[..., learned].reshape(members, SIZE, -1, 2)
        kinds[name] = index, signal.transpose(0, 3, 2, 1)
    findings = []
    for name, (index, responses) in kinds.items():
        first, second = (
            dist.reversal_points(
                AMOUNTS / LARGEST,
                dist.responses_by_outcome(index[:, half::2], responses[:, half::2], len(AMOUNTS)),
            )
            for half in (0, 1)
        )
        distance = AMOUNTS[index[:, 1::2]][..., None] / LARGEST - second[:, None, None]
        scaling = dist.asymmetries(*(_flat(one) for one in (distance, responses[:, 1::2])))
        findings += [
            finding(f"reversal points of two halves (R), {name}", dist.correlations(first, second)),
            finding(f"asymmetry against reversal point (R), {name}", _across(scaling, first)),
        ]
    spread = [np.ptp(made[c].values[..., -500:].mean(axis=2), axis=1) for c in (False, True)]
    return [
        *findings,
        finding("spread of values, uncoupled over coupled", spread[0] / spread[1]),
    ]


def _flat(x: np.ndarray) -> np.ndarray:
    """Return ``[M, E, T, N]`` as ``[M, N, E T]``."""
    return np.moveaxis(x, -1, 1).reshape(len(x), x.shape[-1], -1)


def _across(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return dist.correlations(np.nan_to_num(x, nan=0.5), y)


def unit_findings(evaluation: Evaluation, condition: str) -> tuple[list[Finding], list[Any]]:
    """Return whether asymmetry of units at feedback predicts where they reverse at choice.

    Values are posterior means of the chosen arm (two dependent arms).
    """
    few = min(EPISODES, evaluation.episodes)
    record = evaluation.record(condition, episodes=few, hidden=True)
    rng = np.random.default_rng([evaluation.seed, 6])
    paid = dist.arm_predictive(record["action"], record["reward"], dependent=True)
    chosen = np.take_along_axis(paid, record["action"][..., None].astype(int), -1)[..., 0]
    seen: dict[str, list[Optimism]] = {"units": [], "shuffled": [], "linear units plus noise": []}
    p_values = []
    for h, value, reward in zip(record["hidden"], chosen, record["reward"], strict=True):
        one = unit_optimism(h, value, reward)
        others = [one.shuffled(rng) for _ in range(SHUFFLES)]
        p_values.append(np.mean([other.correlation >= one.correlation for other in others]))
        seen["units"].append(one)
        seen["shuffled"].append(others[0])
        null = unit_optimism(linear_units(h, value, rng), value, reward)
        seen["linear units plus noise"].append(null)
    found = {name: np.array([one.correlation for one in each]) for name, each in seen.items()}
    counted = np.array([(~np.isnan(one.asymmetry)).sum() for one in seen["units"]])
    notes: dict[str, Any] = {
        "units": {"other": 0.41, "note": "other: macaque ACC, P .008 (Muller et al. 2024)"}
    }
    findings = [
        finding(
            f"asymmetry against reversal point (R), {name}",
            r,
            within=(-1, 1),
            **notes.get(name, {}),
        )
        for name, r in found.items()
    ]
    findings += [
        finding("units with an asymmetry", counted, note=f"of {record['hidden'].shape[-1]}"),
        finding(
            "share of shuffles with an R as large",
            np.array(p_values),
            better="lower",
            note=f"below .05 in {sum(p < 0.05 for p in p_values)} of {len(p_values)} members",
        ),
        regret_finding("regret, scalar", evaluation.record(condition)),
    ]
    if not evaluation.figures:
        return findings, []
    pairs = {
        name: (
            np.array([one.asymmetry for one in each]),
            np.array([one.reversal for one in each]),
        )
        for name, each in seen.items()
    }
    folder = evaluation.folder
    labels = "asymmetry at feedback", "reversal point at choice"
    return findings, [
        scatter_by_member(pairs, folder / "optimism.png", *labels, episodes=few),
        bars_with_members(
            {name: {"R": r} for name, r in found.items()},
            folder / "optimism_correlations.png",
            "asymmetry against reversal point (R)",
            {"units": 0.41},
            episodes=few,
        ),
    ]
