"""Where the core of trained agents comes to rest: slow points, and what the line along them says.

`dynamics` is both `prefrontal.dynamics` of Python and what the command `prefrontal dynamics` calls.

The core runs by itself at its mean input, from states that it visits in its task. Each number of
the state is divided by its standard deviation over visited states. Where slow points lie along a
line, the largest eigenvalues are near 1 and the position on the line says what the agent prefers,
the line is a memory of that preference: a line attractor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.probing import CoreStep
from prefrontal.agents.population import Population
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.analysis.dynamics.fixed_points import (
    FixedPoints,
    Line,
    Step,
    fixed_points,
    jacobian,
    line,
    time_constants,
)
from prefrontal.analysis.neural.representation import pca
from prefrontal.analysis.stats.intervals import interval
from prefrontal.evaluating import Run, load
from prefrontal.neural_options import DynamicsOptions
from prefrontal.reading import built
from prefrontal.shipped import shipped_folder

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

SETTLE = 20  # steps at the mean input before a state is called settled
LONG = 50.0  # steps that a mode lasts that is called slow

#: What is reported of each member, and what it is.
MEASURES = {
    "slow_points": "slow points",
    "explained": "variance of the slow points along a line",
    "leading": "largest |eigenvalue| there, median",
    "slow_modes": f"modes slower than {LONG:.0f} steps, of all numbers of the state",
    "preference": "position on the line with the policy's first component, |r|",
    "posterior": "position on the line with the posterior difference of the arms, |r|",
    "kept": f"the same, of states after {SETTLE} steps at the mean input, |r|",
    "driven": "median q of a step in the task",
    "resting": f"median q after {SETTLE} steps at the mean input",
}


@dataclass(frozen=True)
class Dynamics:
    """What `dynamics` found.

    Attributes:
        points: Slow points of each member, each number in its standard deviations.
        lines: The line along them; None where there are fewer than three.
        measures: By name (`MEASURES`), a number for each member ``[M]``; NaN where there is none.
        size: Numbers of a state.
        folder: Where ``dynamics.json``, ``slow_points.csv`` and the figure are.
        written: All files that were written.
    """

    points: list[FixedPoints]
    lines: list[Line | None]
    measures: Mapping[str, Array]
    size: int
    folder: Path
    written: tuple[Path, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """What ``dynamics.json`` holds: every measure with its interval over members."""
        found: dict[str, Any] = {"members": len(self.points), "state_size": self.size}
        for name, values in self.measures.items():
            known = values[~np.isnan(values)]
            estimate = interval(known) if len(known) else None
            found[name] = {
                "what": MEASURES[name],
                "mean": None if estimate is None else estimate.value,
                "low": None if estimate is None else estimate.low,
                "high": None if estimate is None else estimate.high,
                "each": [None if np.isnan(one) else float(one) for one in values],
            }
        return found

    def __str__(self) -> str:
        """Return a table: a row a measure."""
        found = self.summary
        lines = [f"{'':<72}{'mean':>10}  95 % interval over members"]
        for name in self.measures:
            one = found[name]
            ends = "" if one["low"] is None else f"{one['low']:.3g} to {one['high']:.3g}"
            mean = "" if one["mean"] is None else f"{one['mean']:.3g}"
            known = sum(value is not None for value in one["each"])
            ends += "" if known == found["members"] else f" ({known} of {found['members']})"
            lines.append(f"{MEASURES[name]:<72}{mean:>10}  {ends}")
        return "\n".join(lines)


def dynamics(run: Run | Path | str, **options: Any) -> Dynamics:
    """Find where the core of trained agents comes to rest.

    Args:
        run: What `prefrontal.train` returned, a run folder, or the name of a shipped population.
        **options: Fields of `DynamicsOptions`: condition, split, episodes, starts, slow, seed, out,
            figures.

    Raises:
        PrefrontalError: What the command would say in one line.
    """
    path = run.path if isinstance(run, Run) else Path(run)
    out = options.pop("out", None)
    given = {**options, "run": path, "out": None if out is None else Path(out)}
    agents = load(run, options.get("condition")) if isinstance(run, Run) else None
    return dynamics_by(built(DynamicsOptions, given), agents)


def dynamics_by(options: DynamicsOptions, agents: Any = None) -> Dynamics:
    """Find it by options; see `dynamics`."""
    agents = load(options.run, options.condition) if agents is None else agents
    if not isinstance(agents, Population):
        raise ConfigError("only agents that learned as recurrent networks have a core to look into")
    torch.set_num_threads(1)
    played = _Played(agents, options)
    members = [_Member(played, m, options) for m in range(len(agents))]
    measures = {name: np.array([one.measures[name] for one in members]) for name in MEASURES}
    measures = {name: values for name, values in measures.items() if not np.isnan(values).all()}
    made = Dynamics(
        [one.points for one in members],
        [one.line for one in members],
        measures,
        members[0].step.size,
        _folder(options),
        (),
    )
    made.folder.mkdir(parents=True, exist_ok=True)
    written = [made.folder / "dynamics.json", made.folder / "slow_points.csv"]
    written[0].write_text(json.dumps(made.summary, indent=1) + "\n", encoding="utf-8")
    _write_points(made, written[1])
    if options.figures:
        from prefrontal.analysis.figures.alignment import slow_points_figure

        panels = {f"member {m}": one.drawn() for m, one in enumerate(members)}
        shown = "the agent's preference" if played.posterior is None else "posterior difference"
        written.append(slow_points_figure(panels, made.folder / "slow_points.png", shown))
    return Dynamics(made.points, made.lines, measures, made.size, made.folder, tuple(written))


def _folder(options: DynamicsOptions) -> Path:
    own = options.run if options.run.is_dir() else Path("runs")
    if shipped_folder(str(options.run)) is not None and not options.run.is_dir():
        own = Path("runs", "dynamics", options.run.name, options.condition or "")
        return (options.out or own).expanduser()
    return (options.out or own / "dynamics").expanduser()


def _write_points(found: Dynamics, path: Path) -> None:
    """Write a row a slow point."""
    lines = ["member,speed,stable,leading,second,position,starts"]
    for m, (points, one) in enumerate(zip(found.points, found.lines, strict=True)):
        position = np.full(len(points), np.nan) if one is None else one.position(points.points)
        size = np.abs(points.eigenvalues)
        for i in range(len(points)):
            second = size[i, 1] if size.shape[1] > 1 else np.nan
            numbers = (
                points.speed[i],
                int(points.stable[i]),
                size[i, 0],
                second,
                position[i],
                points.starts[i],
            )
            lines.append(",".join(map(str, (m, *numbers))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class _Played:
    """What a population did in its task, with the state before every step."""

    def __init__(self, agents: Population, options: DynamicsOptions) -> None:
        self.model = agents.model
        batch, spec = options.episodes, agents.environment.stage(-1)
        envs = make_envs(spec, agents.members, batch, split=options.split, facts=True)
        envs.reset(seed=options.seed)
        streams = [generator(options.seed, m, "evaluation") for m in agents.members]
        rollout = Rollout(envs, self.model, batch, streams, facts=True, every=True)
        trajectory = rollout.collect()
        self.tapes, self.steps = rollout.tapes, trajectory.steps
        if trajectory.mask is not None:
            raise ConfigError(
                f"{spec.id} has episodes of unequal length: dynamics needs equal ones"
            )
        self.inputs = torch.stack([x.clone() for x in self.tapes[0].x_t[: self.steps]]).double()
        self.posterior = _posterior(trajectory, self.model.num_actions)
        envs.close()

    def states(self, step: CoreStep, member: int) -> torch.Tensor:
        """Return the states before steps 1 ... T - 1 of a member, ``[T - 1, B, S]``."""
        each = [self.model.state(self.tapes, t)[0] for t in range(1, self.steps)]
        return torch.stack([step.flat(tuple(x[member : member + 1] for x in one)) for one in each])


def _posterior(trajectory: Any, arms: int) -> Array | None:
    """Return the mean posterior difference of two arms after each step, ``[T, P, B]``.

    Uniform priors on the probability of a reward of each arm; where the two always add up to 1, all
    outcomes tell of both. None for other tasks.
    """
    p, rewards, actions = trajectory.task.get("p"), trajectory.rewards, trajectory.actions
    if p is None or arms != 2 or actions.dim() != 3 or p.shape[2:] != (2,):
        return None
    if not bool(((rewards == 0) | (rewards == 1)).all()):
        return None
    chosen = torch.stack([actions == k for k in (0, 1)]).double()
    won, pulls = (chosen * rewards.double()).cumsum(1), chosen.cumsum(1)
    if bool((p.sum(2) - 1).abs().max() < 1e-6):
        lost = pulls - won
        first = (1 + won[0] + lost[1]) / (2 + pulls.sum(0))
        return np.asarray((2 * first - 1).numpy())
    mean = (1 + won) / (2 + pulls)
    return np.asarray((mean[0] - mean[1]).numpy())


class _Member:
    """Slow points of one member, and what the line along them stands for."""

    def __init__(self, played: _Played, member: int, options: DynamicsOptions) -> None:
        self.step = CoreStep(played.model, played.inputs[:, member].mean((0, 2)), member)
        states = played.states(self.step, member)
        flat = states.flatten(0, 1)
        centre, spread = flat.mean(0), flat.std(0)
        spread = torch.where(spread > 1e-9, spread, 1.0)
        self.visited = (flat - centre) / spread

        def scaled(z: torch.Tensor) -> torch.Tensor:
            return (self.step(z * spread + centre) - centre) / spread

        settled = self.visited
        with torch.no_grad():
            for _ in range(SETTLE):
                settled = scaled(settled)
            speeds = [
                float((x**2).sum(-1).median()) / 2
                for x in ((states[1:] - states[:-1]) / spread, scaled(settled) - settled)
            ]
            said = self.step.read(flat)[:, : played.model.num_actions]
        if said.shape[1] > 1:  # what all actions have in common decides nothing
            said = said - said.mean(1, keepdim=True)
        self.preference = pca(said.numpy(), 1).project(said.numpy())[:, 0]
        self.posterior = None if played.posterior is None else played.posterior[:-1, member].ravel()
        rng = np.random.default_rng((options.seed, member))
        picked = rng.choice(len(flat), min(options.starts, len(flat)), replace=False)
        self.points = fixed_points(
            scaled, settled[picked], options.slow, options.slow, iterations=100, reach=1.5
        )
        self.settled = settled.numpy()
        self.line = line(self.points) if len(self.points) > 2 else None
        self.measures = self._measured(scaled, picked, speeds)

    def _measured(self, scaled: Step, picked: Codes, speeds: list[float]) -> dict[str, float]:
        found = dict.fromkeys(MEASURES, float("nan"))
        found |= {"slow_points": len(self.points), "driven": speeds[0], "resting": speeds[1]}
        where = self.points.jacobian
        if not len(self.points):
            where = jacobian(scaled, torch.from_numpy(self.settled[picked]))
        size = np.sort(np.abs(np.linalg.eigvals(where)), axis=1)[:, ::-1]
        found["leading"] = float(np.median(size[:, 0]))
        found["slow_modes"] = float(np.median((time_constants(size) > LONG).sum(axis=1)))
        if self.line is not None:
            found["explained"] = self.line.explained
            position = self.line.position(self.visited.numpy())
            found["preference"] = _size(position, self.preference)
            if self.posterior is not None:
                found["posterior"] = _size(position, self.posterior)
                found["kept"] = _size(self.line.position(self.settled), self.posterior)
        return found

    def drawn(self) -> tuple[Array, Array, Array]:
        """Return what a figure shows of it: settled states, their colour, and slow points."""
        colour = self.preference if self.posterior is None else self.posterior
        parts = pca(self.settled, 2)
        shown = np.random.default_rng(0).permutation(len(self.settled))[:500]
        points = parts.project(self.points.points) if len(self.points) else np.zeros((0, 2))
        return parts.project(self.settled[shown]), colour[shown], points


def _size(first: Array, second: Array) -> float:
    """Return the correlation of two variables, without its sign."""
    return abs(float(np.corrcoef(first, second)[0, 1]))
