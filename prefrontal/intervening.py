"""Lesions and stimulation of units at evaluation, as options say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefrontal.agents.common.errors import ConfigError
from prefrontal.options import EvaluationOptions

Snapshots = Mapping[str, list[tuple[int, Any]]]


def intervened(
    populations: Mapping[str, Any], snapshots: Snapshots, options: EvaluationOptions
) -> tuple[dict[str, Any], dict[str, list[tuple[int, Any]]], dict[str, Any]]:
    """Return populations and their earlier states with units held or driven.

    Returns:
        Populations and snapshots by condition, and what was done to which units, by condition, for
        ``metrics.json``; all as they are, and nothing, where no option asks for it.

    Raises:
        ConfigError: An option names no units of the core, or the agents have no such core.
    """
    if not (options.lesion or options.drive):
        return dict(populations), dict(snapshots), {}
    from prefrontal.agents.networks import probing  # imports torch

    done: dict[str, Any] = {}
    made: dict[str, Any] = {}
    earlier: dict[str, list[tuple[int, Any]]] = {}
    for condition, population in populations.items():
        units = int(getattr(getattr(population, "network", None), "hidden_size", 0))
        if not units:
            raise ConfigError(f"the agents of {condition} have no hidden units to hold or drive")
        held, added = (
            probing.units_of(text, units, 0.0, options.seed) if text else {}
            for text in (options.lesion, options.drive)
        )
        if added and not any(added.values()):
            raise ConfigError("drive needs what is added, as in --drive 3=0.5 or random:8=0.5")
        change = probing.Intervention(held, added)
        made[condition] = probing.intervened(population, change)
        earlier[condition] = [
            (step, probing.intervened(one, change)) for step, one in snapshots.get(condition, [])
        ]
        done[condition] = {
            name: {str(unit): value for unit, value in values.items()}
            for name, values in (("held", held), ("added", added))
        }
    return made, earlier, done
