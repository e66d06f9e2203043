"""What a report shows of a run of agents, as plain values."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, RunFolderError
from prefrontal.agents.common.files import TABLES, read_json
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.evaluation import Record
from prefrontal.experiments.experiment import known_levels
from prefrontal.experiments.settings import Settings
from prefrontal.showing import packing
from prefrontal.showing.runs import Opened, plain_settings

POINTS = 250  # of a learning curve, at most
CURVES = 0.5  # characters of all learning curves of a run, as a part of those of its episodes
STEPPED = ("action", "reward", "policy", "value", "rpe", "hidden", "observation", "mask")
FIGURES = 900_000  # characters of figures of a run


def agents(run: Opened, episodes: int, split: str, seed: int, budget: float) -> dict[str, Any]:
    """Return everything that a report shows of a run of agents.

    Args:
        run: The run.
        episodes: Episodes of each member in the player, at most.
        split: Tasks that are played where nothing is recorded.
        seed: Seed of what is played.
        budget: Characters for the player.

    Raises:
        ConfigError: A file of its evaluation cannot be read.
    """
    metrics = _metrics(run)
    findings = [Finding.from_json(row).to_json() for row in metrics.get("findings", ())]
    curves = run.curves()
    levels = known_levels(run.experiment, run.settings)
    notes = []
    if not findings:
        notes = [f"No findings yet: prefrontal evaluate {run.folder.path.name} measures them."]
    return {
        "kind": "agents",
        "name": run.name,
        "title": run.experiment.summary,
        "about": _about(run, metrics),
        "findings": findings,
        "settings": {key: _texts(one) for key, one in run.settings.items()},
        "curves": _curves({key: one for key, one in curves.items() if one}, CURVES * budget),
        "levels": {key: dict(one) for key, one in levels.items()},
        "players": _players(run, episodes, split, seed, budget),
        "figures": figures(run.out),
        "notes": notes,
    }


def _metrics(run: Opened) -> Mapping[str, Any]:
    """Return what the last evaluation found, or the shipped one; nothing if there was none."""
    for path in (run.out / "metrics.json", run.folder.path / "findings.json"):
        if path.is_file():
            try:
                metrics = read_json(path, TABLES)
                for row in metrics["findings"]:
                    _require_finding(Finding.from_json(row))
                f"{metrics.get('episodes', 0):,}"
            except (RunFolderError, KeyError, TypeError, ValueError, AttributeError) as error:
                raise ConfigError(f"{path} cannot be read: evaluate the run again") from error
            return dict(metrics)
    return {}


def _require_finding(finding: Finding) -> None:
    """Check the types of a finding from a file, by what is written of it.

    Raises:
        TypeError: One is another.
        ValueError: The same.
    """
    numbers = (finding.value, finding.low, finding.high)
    if not isinstance(finding.name, str) or not all(
        one is None or (isinstance(one, int | float) and not isinstance(one, bool))
        for one in numbers
    ):
        raise TypeError("a finding has a name and numbers")
    finding.to_json()


def _about(run: Opened, metrics: Mapping[str, Any]) -> list[list[str]]:
    """Return what a reader has to know of a run first: labels and texts."""
    first = next(iter(run.settings.values()))
    members = {key: one.training.members for key, one in run.settings.items()}
    tasks = dict.fromkeys(one.environment.id for one in run.settings.values())
    steps = {one.training.total_steps for one in run.settings.values()}
    about = {
        "experiment": f"{run.experiment.name} ({run.experiment.reference})",
        "task": ", ".join(tasks),
        "learner": first.algorithm.kind,
        "core": str(getattr(first.network, "core", first.network.kind)),
        "members": ", ".join(f"{n}" if k == "default" else f"{k} {n}" for k, n in members.items()),
        "training": f"{min(steps):,} to {max(steps):,} steps"
        if len(steps) > 1
        else f"{max(steps):,} environment steps each",
        "seed": str(run.seed),
        "evaluated": f"{metrics['episodes']:,} episodes a member, split {metrics['split']}, seed "
        f"{metrics['seed']}"
        if {"episodes", "split", "seed"} <= set(metrics)
        else "",
        "conclusion": str(metrics.get("conclusion") or ""),
    }
    return [[key, text] for key, text in about.items() if text]


def _texts(settings: Settings) -> dict[str, str]:
    """Return settings as texts by name."""
    plain = plain_settings(settings)
    return {
        key: ", ".join(map(str, one)) if isinstance(one, list) else str(one)
        for key, one in plain.items()
    }


def _curves(
    curves: Mapping[str, Mapping[str, np.ndarray]], budget: float
) -> dict[str, dict[str, Any]]:
    """Return learning curves by condition, with as many points as so many characters hold."""
    numbers = sum(one.shape[1] for each in curves.values() for one in each.values())
    points = int(budget / (4 * packing.TEXT * max(1, numbers)))
    return {key: _curve(each, min(POINTS, max(2, points))) for key, each in curves.items()}


def _curve(curves: Mapping[str, np.ndarray], points: int) -> dict[str, Any]:
    """Return learning curves with few points."""
    thin = packing.thinned(curves, points)
    whole = {name: np.asarray(one, dtype=np.float32) for name, one in thin.items()}
    steps = whole.pop("steps")[:, 0].astype(np.float64)
    return {
        "steps": packing.packed(steps),
        "metrics": {name: packing.packed(one) for name, one in whole.items()},
    }


def figures(folder: Path, budget: int = FIGURES) -> list[dict[str, str]]:
    """Return the figures in a folder as data, as many as there is room for."""
    found: list[dict[str, str]] = []
    for path in sorted(folder.rglob("*.png")) if folder.is_dir() else ():
        size = path.stat().st_size * packing.TEXT
        if size <= budget:
            budget -= int(size)
            data = base64.b64encode(path.read_bytes()).decode()
            name = path.relative_to(folder).with_suffix("").as_posix().replace("_", " ")
            found.append({"name": name, "src": f"data:image/png;base64,{data}"})
    return found


# --- episodes ---


def _players(
    run: Opened, episodes: int, split: str, seed: int, budget: float
) -> list[dict[str, Any]]:
    """Return recorded episodes by condition, or some that are played now."""
    evaluation, made = None, []
    for condition in run.playable:
        place = run.out if condition == "default" else run.out / condition
        record = read_record(place / "record.npz")
        source = f"recorded by the evaluation in {run.out.name}"
        if record is None:
            evaluation = evaluation or run.evaluation(episodes, split, seed)
            record = evaluation.record(condition, episodes=episodes, hidden=True)
            source = f"played for this report: split {evaluation.split}, seed {seed}"
        settings = run.settings[condition]
        share = budget / len(run.playable)
        made.append(_player(condition, settings, record, source, episodes, share))
    return made


def read_record(path: Path) -> Record | None:
    """Return the episodes that an evaluation recorded; None if there are none.

    Raises:
        ConfigError: It is no such record.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            record = {name: stored[name] for name in stored.files}
        shape = record["action"].shape[:3]
        if len(shape) < 3 or 0 in shape or record["reward"].shape[:3] != shape:
            raise ValueError("not [members, episodes, steps]")
        for name, one in record.items():
            least = 2 if name.startswith("task.") else 3
            steps = 3 if name in STEPPED else 2
            if (
                one.dtype.kind not in "biuf"
                or one.ndim < least
                or one.shape[:steps] != shape[:steps]
            ):
                raise ValueError(f"{name} is of another type or shape")
    except Exception as error:  # ZIP and NumPy raise many kinds for damaged files
        raise ConfigError(f"{path} is no record of episodes: evaluate the run again") from error
    return record


def _player(
    condition: str, settings: Settings, record: Record, source: str, episodes: int, budget: float
) -> dict[str, Any]:
    """Return what the player steps through."""
    there = record["action"].shape[:3]
    sizes = packing.fitting(record, episodes, budget)
    kept = packing.cut(record, *sizes)
    names = [n for n in ("action", "reward", "policy", "value", "rpe") if n in kept]
    facts = packing.shown_facts(kept)
    arrays = {name: packing.packed(kept[name]) for name in (*names, *facts)}
    mask = kept.get("mask", np.ones(kept["action"].shape[:3]))
    player: dict[str, Any] = {
        "name": condition,
        "who": "member",
        "what": "episode",
        "members": [str(m) for m in range(sizes[0])],
        "episodes": [str(e) for e in range(sizes[1])],
        "lengths": np.maximum(mask.sum(2), 1).astype(int).tolist(),
        "arrays": arrays,
        "facts": facts,
        "source": _source(source, there, sizes),
        "tasks": _tasks(kept),
        "map": _map(settings, kept),
        "seen": [],
    }
    if (seen := kept.get("observation")) is not None and seen.ndim == 4:
        if seen.shape[3] <= packing.SEEN:
            player["seen"] = _labels(settings, seen.shape[3])
            arrays["observation"] = packing.packed(seen)
        elif seen.shape[3] <= packing.PIXELS:
            arrays["pixels"] = packing.pixels(seen)
    if (found := packing.principal(record, kept)) is not None:
        arrays["pc"] = packing.packed(found[0])
        player["shares"] = found[1].tolist()
    return player


def _source(source: str, there: tuple[int, ...], kept: tuple[int, ...]) -> str:
    """Return where episodes come from, and which part of them there is."""
    words = ("members", "episodes of each", "steps of an episode")
    parts = [
        f"{have} of {all_} {word}"
        for word, have, all_ in zip(words, kept, there, strict=True)
        if have < all_
    ]
    return source + (f"; shown are {', '.join(parts)}" if parts else "")


def _tasks(record: Record) -> list[list[str]]:
    """Return the parameters of each task as a line, by member and episode."""
    named = {name[5:]: one for name, one in record.items() if name.startswith("task.")}
    small = {name: one for name, one in named.items() if np.prod(one.shape[2:]) <= 12}
    members, episodes = record["action"].shape[:2]

    def said(m: int, e: int) -> str:
        texts = {
            name: ", ".join(f"{x:.4g}" for x in np.ravel(one[m, e]).tolist())
            for name, one in small.items()
        }
        return "; ".join(f"{name} = {text}" for name, text in texts.items())

    return [[said(m, e) for e in range(episodes)] for m in range(members)]


def _labels(settings: Settings, count: int) -> list[str]:
    """Return names of the numbers of an observation."""
    from prefrontal.agents.rollout.environments import make_envs

    envs = make_envs(settings.environment, [0], 1, discrete=False)
    slices: Mapping[str, slice] = dict(envs.input_slices)
    envs.close()
    labels = [f"observation {k}" for k in range(count)]
    for name, where in slices.items():
        places = range(*where.indices(count))
        for k, at in enumerate(places):
            word = name if name == "observation" else f"previous {name}"
            word = name if name in ("time", "trial_start") else word
            labels[at] = word.replace("_", " ") + (f" {k}" if len(places) > 1 else "")
    return labels


def _map(settings: Settings, record: Record) -> dict[str, Any] | None:
    """Return how to draw the way through space: of a maze, or in a plane; None without places."""
    if {"x", "y", "target_x", "target_y"} <= set(record):
        from prefrontal.envs.navigation_laws import ZONE

        return {"kind": "plane", "zone": ZONE}
    if {"cell", "task.goal"} <= set(record) and "OneShotMaze" in settings.environment.id:
        from prefrontal.envs.maze import OneShotMaze

        maze = OneShotMaze(**settings.environment.stage(-1).kwargs).plan
        return {
            "kind": "maze",
            "rows": list(maze.rows),
            "cells": maze.cells.tolist(),
            "start": int(maze.start),
            "goals": record["task.goal"].tolist(),
        }
    return None


def as_json(data: Mapping[str, Any]) -> str:
    """Return data as JSON that can stand in a page: nothing in it ends a script or begins a tag."""
    from prefrontal.fit_report import json_text

    text = json_text(data)  # ASCII: line separators of Unicode are escaped already
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
