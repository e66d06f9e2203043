"""Ten environments that are not ours, one command each, and RecurrentPPO (sb3-contrib) beside.

    python -m benchmarks.environments
    python -m benchmarks.environments cartpole taxi --out runs/environments

Agents are trained by the command that stands in the table, with a seed that no setting was found
on, and play frozen: with actions drawn from the policy, and with the most probable ones. Rows
are added to docs/environments.csv, where those of the same name are replaced. A run that is there
already is not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "docs" / "environments.csv"
MARK = "<!-- table of ten environments: written from docs/environments.csv -->"
COLUMNS = (
    *("name", "agent", "measure", "value", "low", "high", "worst", "bar"),
    *("members", "episodes", "steps", "cpu_seconds", "command"),
)
DRAWN, BEST = "return per episode", "return per episode, best actions"
LAST = "return of the last inner episode less the first's"
INNER = ("return of the first inner episode", "return of inner episode 5, the last")
_META = (
    "docs/examples/pole.py:Pole --preset meta --meta-episodes 5 "
    "--vary gravity=5:15 length=0.25:1.5 force_mag=-30:30 tau=0.02:0.08 --total-steps 150000"
)


@dataclass(frozen=True)
class Environment:
    """One row of the table.

    Attributes:
        words: What follows ``prefrontal train``.
        bar: What the return (or `measure`) must reach; None: nothing, a control.
        members: Independent agents.
        episodes: Of each of them, for the measurement.
        measure: Finding that the bar is about.
        more: Other findings that the table shows.
        peer: Environment steps of RecurrentPPO beside; 0: it is not trained.
        seed: Seed of the run, which no setting was found on.
    """

    words: str
    bar: float | None
    members: int = 8
    episodes: int = 100
    measure: str = BEST
    more: tuple[str, ...] = ()
    peer: int = 0
    seed: int = 1

    @property
    def command(self) -> str:
        """The whole command, without the run folder."""
        return f"prefrontal train {self.words} --members {self.members} --seed {self.seed}"


ENVIRONMENTS = {
    "cartpole": Environment("CartPole-v1 --total-steps 300000", 475),
    "acrobot": Environment("Acrobot-v1 --total-steps 100000", -100),
    "frozen-lake": Environment(
        "FrozenLake-v1 --preset sparse --total-steps 300000", 0.70, episodes=500, seed=3
    ),
    "taxi": Environment("Taxi-v4 --total-steps 100000", 5),
    "pendulum": Environment("Pendulum-v1 --preset continuous --total-steps 300000", -250),
    "lunar-lander": Environment(
        "LunarLander-v3 --preset long --total-steps 1500000", 200, members=4
    ),
    "blackjack": Environment(
        "Blackjack-v1 --preset short --total-steps 100000", -0.06, episodes=20_000
    ),
    "repeat-previous": Environment(
        "popgym:popgym-RepeatPreviousEasy-v0 --core lstm --total-steps 150000", 0.95, peer=150_000
    ),
    "memory-maze": Environment(
        "minigrid:MiniGrid-MemoryS7-v0 --preset symbols --total-steps 600000",
        0.9,
        members=4,
        peer=50_000,  # more processor time than one of our agents takes
    ),
    "meta-cartpole": Environment(_META, 0, measure=LAST, more=INNER),
    "meta-cartpole-no-memory": Environment(f"{_META} --core none", None, measure=LAST, more=INNER),
}


def ours(name: str, folder: Path) -> list[dict[str, Any]]:
    """Train the agents of one environment, if they are not there, and return its rows."""
    import prefrontal
    from prefrontal.agents.runs.folder import RunFolder

    one, path = ENVIRONMENTS[name], folder / name
    spent = path / "cpu_seconds.json"
    if not spent.is_file():
        words = [*shlex.split(one.command)[1:], "--workers", "1", "--out", str(path)]
        spent.write_text(json.dumps(_train(words)))
    task = shlex.split(one.words)[0]
    report = prefrontal.evaluate(
        path, episodes=one.episodes, figures=False, task=task if ":" in task else None
    )
    found = {finding.name: finding for finding in report.findings}
    trained = RunFolder.read(path).config()["conditions"]["default"]["training"]
    rows = []
    for measure in dict.fromkeys((DRAWN, BEST, *one.more, one.measure)):
        finding, worst = found[measure], found.get(f"{measure}, worst member")
        numbers = finding.value, finding.low, finding.high, worst and worst.value
        rows.append(
            _row(
                *(name, "prefrontal", measure, *numbers),
                bar=one.bar if measure == one.measure else None,
                members=trained["members"],
                episodes=one.episodes,
                steps=trained["total_steps"],
                cpu_seconds=round(json.loads(spent.read_text())),
                command=one.command,
            )
        )
    return rows


def _train(words: list[str]) -> float:
    """Train in a process of its own; return the processor time that it took, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "prefrontal", *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peer(name: str, folder: Path) -> list[dict[str, Any]]:
    """Train one agent of RecurrentPPO with the settings it comes with, and return its rows."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    one, path = ENVIRONMENTS[name], folder / f"{name}-recurrent-ppo.json"
    if not path.is_file():
        begun = time.process_time()
        model = RecurrentPPO(
            "MlpLstmPolicy", make_vec_env(_peer_env, 8, 1, env_kwargs={"words": one.words}), seed=1
        )
        model.learn(one.peer)
        spent, envs = time.process_time() - begun, make_vec_env(lambda: _peer_env(one.words), 8, 2)
        found = {
            measure: evaluate_policy(model, envs, 8 * one.episodes, deterministic=best)[0]
            for measure, best in ((DRAWN, False), (BEST, True))
        }
        path.write_text(json.dumps({"cpu_seconds": spent, "found": found}))
    told = json.loads(path.read_text())
    return [
        _row(
            *(name, "RecurrentPPO", measure, value, None, None, None),
            members=1,
            episodes=8 * one.episodes,
            steps=one.peer,
            cpu_seconds=round(told["cpu_seconds"]),
            command="sb3_contrib.RecurrentPPO('MlpLstmPolicy', 8 environments)",
        )
        for measure, value in told["found"].items()
    ]


def _peer_env(words: str) -> Any:
    """Return the environment as RecurrentPPO's perceptron takes it."""
    import gymnasium

    from prefrontal.doors import Doors

    env_id = Doors(shlex.split(words)[0]).environment()
    assert env_id is not None
    env = gymnasium.make(env_id, disable_env_checker=True)
    if isinstance(env.observation_space, gymnasium.spaces.Dict):  # of MiniGrid
        from minigrid.wrappers import ImgObsWrapper

        env = gymnasium.wrappers.FlattenObservation(ImgObsWrapper(env))
    return env


def _row(*numbers: Any, **more: Any) -> dict[str, Any]:
    """Return a row of the table from its first columns and others by name."""
    return {name: None for name in COLUMNS} | dict(zip(COLUMNS, numbers, strict=False)) | more


def write(rows: list[dict[str, Any]], table: Path) -> None:
    """Write rows to a table, in place of those of the same environments and agents."""
    new, order = {(row["name"], row["agent"]) for row in rows}, list(ENVIRONMENTS)
    old = list(csv.DictReader(table.read_text().splitlines())) if table.is_file() else []
    kept = [row for row in old if (row["name"], row["agent"]) not in new and row["name"] in order]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted([*kept, *rows], key=lambda row: order.index(row["name"])))


def markdown(table: Path) -> str:
    """Return a table for people, with one line an environment, agent and measure."""
    head = "command | measure | value | worst member | bar | members | steps each | CPU s, all"
    lines = [f"| {head} |", "|" + "---|" * 8]
    for row in csv.DictReader(table.read_text().splitlines()):
        value, low, high, worst = (_short(row[key]) for key in ("value", "low", "high", "worst"))
        value += f" [{low}, {high}]" if low else ""
        command = row["command"].removeprefix("prefrontal train ").removesuffix(" --seed 1")
        steps = f"{int(row['steps']):,}"
        cells = [f"`{command}`", row["measure"], value, worst, row["bar"], row["members"], steps]
        lines.append(f"| {' | '.join([*cells, row['cpu_seconds']])} |")
    return "\n".join(lines)


def _short(number: str) -> str:
    return f"{float(number):.4g}" if number else ""


def _onto_page(table: Path) -> None:
    """Write the table below its mark on the page beside it, if there is one."""
    page = table.with_suffix(".md")
    if page.is_file() and MARK in (text := page.read_text()):
        before, _, after = text.partition(MARK)
        rest = after.partition("\n## ")
        page.write_text(f"{before}{MARK}\n\n{markdown(table)}\n{rest[1]}{rest[2]}")


def main(arguments: list[str]) -> int:
    """Train, measure and write the rows of some environments; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ENVIRONMENTS)}; none: all")
    parser.add_argument("--out", type=Path, default=Path("runs", "environments"))
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args(arguments)
    for name in options.names or ENVIRONMENTS:
        if name not in ENVIRONMENTS:
            parser.error(f"there is no {name!r}; allowed: {', '.join(ENVIRONMENTS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or ENVIRONMENTS:
        rows = ours(name, options.out)
        if ENVIRONMENTS[name].peer:
            rows += peer(name, options.out)
        write(rows, options.table)
        _onto_page(options.table)
        for row in rows:
            print({key: row[key] for key in COLUMNS[:8]}, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
