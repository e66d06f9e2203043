"""Evaluation: frozen weights, recurrent state running, tasks of any split → records for analysis.

A record is a dictionary of NumPy arrays ``[M, E, T, ...]`` (members, episodes, steps). Tasks and
noise depend on the seed and the member alone: each member meets tasks of its own (unless a measure
gives all the same), so that intervals over members include the luck of the tasks, and member m of
every condition, split or policy meets the same ones (common random numbers).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prefrontal.experiments.settings import Settings
from prefrontal.experiments.tables import write_table

if TYPE_CHECKING:
    from prefrontal.agents.base import Trained  # imports torch
    from prefrontal.agents.rollout.rollout import Stimulation  # imports torch

Record = dict[str, np.ndarray]

_ROWS = 1024  # episodes played at once: what fits in cache and little memory


class Evaluation:
    """Trained populations, and how to look at them.

    Args:
        populations: By condition.
        settings: Settings they were trained with, by condition.
        split: Which tasks findings are about.
        episodes: Episodes per member.
        seed: Seed of tasks, noise and actions.
        folder: Where figures and records go.
        curves: Metrics of training by condition (arrays ``[U, M]`` by name), if there are any.
        levels: Known returns of an episode by condition, see `Experiment`.
        figures: Whether figures are wanted.
        stimulation: Added to the prediction errors that actors are given, in every record that
            does not say otherwise.
        snapshots: Earlier states of the populations by condition: environment steps, and the
            population then.
    """

    def __init__(
        self,
        populations: Mapping[str, Any],
        settings: Mapping[str, Settings],
        split: str,
        episodes: int,
        seed: int,
        folder: Path,
        curves: dict[str, dict[str, np.ndarray]] | None = None,
        figures: bool = True,
        stimulation: Stimulation | None = None,
        snapshots: Mapping[str, list[tuple[int, Any]]] | None = None,
        levels: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.populations, self.settings = populations, settings
        self.split, self.episodes, self.seed, self.folder = split, episodes, seed, folder
        self.curves, self.figures, self.stimulation = curves or {}, figures, stimulation
        self._snapshots, self.levels = snapshots or {}, levels or {}
        self._cache: dict[tuple[Any, ...], Record] = {}

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions."""
        return list(self.populations)

    @property
    def discounts(self) -> dict[str, float]:
        """Discount at the end of training by condition."""
        return {name: one.algorithm.final_discount for name, one in self.settings.items()}

    def part(self, names: Mapping[str, str], folder: Path) -> Evaluation:
        """Return the evaluation of some conditions, under other names.

        Args:
            names: Names of conditions here, by the names that they are to have.
            folder: Where its figures go.
        """

        def chosen(tables: Mapping[str, Any]) -> dict[str, Any]:
            return {new: tables[old] for new, old in names.items() if old in tables}

        return Evaluation(
            chosen(self.populations),
            chosen(self.settings),
            self.split,
            self.episodes,
            self.seed,
            folder,
            chosen(self.curves),
            figures=self.figures,
            stimulation=self.stimulation,
            snapshots=chosen(self._snapshots),
            levels=chosen(self.levels),
        )

    def snapshots(self, condition: str | None = None) -> list[tuple[int, Any]]:
        """Return earlier states of a population, the trained one last, with environment steps."""
        return self._snapshots.get(condition or self.conditions[0], [])

    def trained_steps(self) -> int:
        """Return the environment steps of every member; 0 if the run folder does not say."""
        steps = [curves["steps"][-1].min() for curves in self.curves.values() if curves]
        return int(min(steps)) if steps else 0

    def record(
        self,
        condition: str | None = None,
        *,
        split: str | None = None,
        episodes: int | None = None,
        deterministic: bool | None = None,
        hidden: bool = False,
        stimulation: Stimulation | None = None,
        forget: bool = False,
        snapshot: int | None = None,
        tasks: Mapping[str, Any] | None = None,
        random: bool = False,
        **kwargs: Any,
    ) -> Record:
        """Let the members of one condition play, and record what happens.

        Args:
            condition: Which; by default the first.
            split: In place of the evaluation's split.
            episodes: In place of the evaluation's number of episodes per member.
            deterministic: Whether to take the best actions; None: as these agents act by default.
            hidden: Whether to record observations and hidden states too.
            stimulation: In place of the evaluation's (the recorded ``rpe`` is the one without it).
            forget: Whether agents with continuous actions lose their recurrent state after every
                trial, as a control; there is no ``value``, ``rpe`` or hidden state then.
            snapshot: Index of an earlier state of the population (see `snapshots`), in its place.
            tasks: Parameters of tasks ``[E, ...]`` that all members play, in this order, in place
                of tasks drawn for each member (the noise in them is still each member's own).
            random: Whether the random policy plays, in place of the members and on their tasks: all
                actions are equally likely. There are no ``value``, ``rpe`` and ``policy`` then.
            **kwargs: Parameters of the environment that differ from those of training.

        Returns:
            ``action``, ``reward``, ``value``, ``rpe`` ``[M, E, T]``, ``policy [M, E, T, K]``, the
            environment's facts (``trial``, ``optimal_action``, ...), ``regret`` where it is
            defined, and task parameters as ``task.NAME [M, E, ...]``. Agents with continuous
            actions have ``action [M, E, T, A]``, no ``policy``, and ``value`` and ``rpe`` of their
            first critic; ``mask`` is 1 while something happens.
        """
        condition = condition or self.conditions[0]
        split, stimulation = split or self.split, stimulation or self.stimulation
        episodes = len(next(iter(tasks.values()))) if tasks else episodes or self.episodes
        given = [
            (name, np.asarray(value).tobytes()) for name, value in sorted((tasks or {}).items())
        ]
        who = (condition, snapshot, random, deterministic, stimulation, forget)
        key = (*who, split, episodes, hidden, repr(sorted(kwargs.items())), tuple(given))
        if key not in self._cache:
            from prefrontal.agents.reference.random_play import RandomPlayers  # imports torch

            player: Trained = self.populations[condition]
            if snapshot is not None:
                player = self.snapshots(condition)[snapshot][1]
            envs, batches = self._envs(player, split, episodes, kwargs, tasks)
            parts = (RandomPlayers(player.members) if random else player).record(
                envs,
                batches,
                seed=self.seed,
                discount=self.discounts[condition],
                deterministic=deterministic,
                hidden=hidden,
                stimulation=stimulation,
                forget=forget,
            )
            self._cache[key] = _joined(parts, episodes)
            envs.close()
        return self._cache[key]

    def _envs(
        self,
        player: Trained,
        split: str,
        episodes: int,
        kwargs: Mapping[str, Any],
        tasks: Mapping[str, Any] | None,
    ) -> tuple[Any, int]:
        """Return seeded environments, and how many batches of them hold so many episodes."""
        from prefrontal.agents.rollout.environments import make_envs

        spec = player.environment.stage(-1)
        spec = replace(spec, kwargs={**spec.kwargs, **kwargs})
        batch = max(1, min(episodes, _ROWS // len(player)))
        envs = make_envs(
            spec, player.members, batch, split=split, facts=True, discrete=player.discrete
        )
        envs.reset(seed=self.seed)
        if tasks is not None:
            envs = _OnTasks(envs, tasks, len(player), batch)
        return envs, -(-episodes // batch)


class _OnTasks:
    """Environments that play a list of tasks, one after the other and the same for all members."""

    def __init__(self, envs: Any, tasks: Mapping[str, Any], members: int, batch: int) -> None:
        self.envs, self.tasks, self.members = envs, tasks, members
        self.rows = np.arange(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.envs, name)

    def reset(self) -> Any:
        """Start the next episodes; from the first task again after the last."""
        task = {
            name: np.tile(
                np.take(value, self.rows, axis=0, mode="wrap"),
                (self.members, *[1] * (np.ndim(value) - 1)),
            )
            for name, value in self.tasks.items()
        }
        self.rows = self.rows + len(self.rows)
        return self.envs.reset(options={"task": task})


def _joined(parts: Iterable[Record], episodes: int) -> Record:
    """Return the first episodes of several records as one, with zeros where some are shorter.

    Each is copied to its place before the next is played: there is one copy of what was played.
    """
    whole: Record = {}
    begin = 0
    for part in parts:
        end = min(begin + part["action"].shape[1], episodes)
        for name, value in part.items():
            kept = whole.get(name)
            if kept is None:
                kept = np.zeros((len(value), episodes, *value.shape[2:]), value.dtype)
            elif value.shape[2:3] > kept.shape[2:3]:
                more = value.shape[2] - kept.shape[2]
                kept = np.pad(kept, [(0, 0), (0, 0), (0, more), *[(0, 0)] * (kept.ndim - 3)])
            whole[name] = kept
            place = slice(None), slice(begin, end), *map(slice, value.shape[2:3])
            kept[place] = value[:, : end - begin]
        begin = end
    return whole


def write_record(record: Record, folder: Path) -> list[Path]:
    """Write ``record.npz`` (everything) and tables of it, without hidden states.

    ``record.csv`` has a row for each step, ``record_tasks.csv`` a row for each episode with the
    parameters of its task, and ``record_trials.csv``, where tasks have parameters by trial, a row
    for each trial with those. They are joined by ``member``, ``episode`` and ``trial``.
    """
    arrays = folder / "record.npz"
    _write_arrays(record, arrays)
    steps = record["action"].shape[2]
    trials = int(record["trial"].max()) + 1 if "trial" in record else steps
    if "policy" in record and record["policy"].shape[3] == trials:
        trials = 0  # nobody can tell an array by trial from one by action
    tables: dict[str, Record] = {"record": {}, "record_tasks": {}, "record_trials": {}}
    for name, value in record.items():
        if name.startswith("task."):
            by_trial = value.ndim > 2 and value.shape[2] == trials
            tables["record_trials" if by_trial else "record_tasks"][name] = value
        elif name not in ("hidden", "observation"):
            tables["record"][name] = value
    axes = {"record": ("step",), "record_tasks": (), "record_trials": ("trial",)}
    written = [
        write_table(_columns(table, axes[name]), folder / f"{name}.csv")
        for name, table in tables.items()
        if table
    ]
    return [arrays, *written]


def _write_arrays(record: Record, path: Path) -> None:
    """Write what `numpy.load` reads; hidden states as they are, as noise hardly gets smaller.

    Levels of compression above 2 take twice the time for files that are a fiftieth smaller.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=2) as archive:
        for name, value in record.items():
            entry = f"{name}.npy"
            stored = zipfile.ZipInfo(entry)  # as they are by default
            with archive.open(stored if name == "hidden" else entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)


def _columns(table: Record, axes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the columns of a table of arrays that share ``[M, E]`` and these axes."""
    shape = next(iter(table.values())).shape[: 2 + len(axes)]
    index = np.indices(shape).reshape(len(shape), -1)
    columns = dict(zip(("member", "episode", *axes), index, strict=True))
    for name, value in table.items():
        flat = value.reshape(index.shape[1], -1)
        names = [name] if flat.shape[1] == 1 else [f"{name}.{k}" for k in range(flat.shape[1])]
        columns |= dict(zip(names, flat.T, strict=True))
    return columns
