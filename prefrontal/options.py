"""Options of the commands: dataclasses whose fields `prefrontal.reading` reads from words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefrontal.checking import check, option
from prefrontal.experiments import presets
from prefrontal.experiments.settings import EPISODES


@dataclass(frozen=True)
class RunOptions:
    """What to train, and how to run."""

    task: str | None = option(
        None,
        "Task in place of the experiment's: a Gymnasium id, PACKAGE:ID (the package registers it), "
        "or a class or function of yours, FILE.py:NAME or PACKAGE.MODULE:NAME.",
        alias="env_id",
    )
    core: str | None = option(
        None, "Recurrent core of the networks: one of `prefrontal list`, or FILE.py:CLASS."
    )
    algorithm: (
        Literal["a2c", "r2d2", "td3", "evolution", "decision-pretrained", "meta-gradient"] | None
    ) = option(None, "Learner in place of the experiment's, with settings of its own.")
    preset: str | None = option(
        None,
        "Named settings for an environment that is not ours, in place of its defaults: "
        f"{presets.summaries()}.",
    )
    seed: int | None = option(
        None, "Seed of weights, tasks, noise and actions; default 0.", least=0, most=2**63 - 1
    )
    out: Path | None = option(None, "Run folder; default runs/EXPERIMENT/TIME-seedSEED.")
    resume: bool = option(
        False,
        "Continue the run in --out (default: the newest run of the experiment) from its last "
        "checkpoint.",
    )
    device: str = option("cpu", "Where to compute: cpu, or cuda.")
    workers: int = option(
        0, "Processes to spread the members over; 0: one a core, at most one a member.", least=0
    )
    ray_address: str | None = option(
        None,
        "Ray cluster to spread the members over: HOST:PORT, `auto`, or `local`, which starts one "
        "on this machine.",
    )
    condition: tuple[str, ...] = option((), "Conditions to train; none named: all.")
    sweep: tuple[str, ...] = option(
        (),
        "Values of a setting, NAME=VALUE,VALUE,... (several settings: repeat the option). All "
        "combinations become conditions, trained one after the other.",
        repeated=True,
    )
    log: tuple[Literal["wandb", "mlflow"], ...] = option(
        (), "Where settings and learning curves go too, beside TensorBoard's events."
    )
    progress: bool = option(True, "Whether to show how far training is.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ValueError(f"device must be cpu or cuda, not {self.device!r}")
        if self.preset is not None and (self.algorithm is not None or self.resume):
            other = "resume" if self.resume else "algorithm"
            raise ValueError(f"--{other} comes with settings of its own: leave out --preset")
        if self.sweep and self.resume:
            raise ValueError("--resume goes on with the conditions of the run: leave out --sweep")
        if self.out is not None and str(self.out) == ".":
            raise ValueError("out must be the name of a folder")


@dataclass(frozen=True)
class EvaluationOptions:
    """Evaluate trained agents."""

    run: Path = option(
        dataclasses.MISSING, "Run folder, or name of a shipped population (`prefrontal list`)."
    )
    split: Literal["held_out", "train", "all"] = option(
        "held_out",
        "Tasks that findings are about: never trained on (held_out), those of training (train), or "
        "the published distribution (all). Some experiments set their tasks themselves.",
    )
    episodes: int = option(
        EPISODES,
        "Episodes per member for the findings, at most; some experiments measure fewer.",
        least=1,
    )
    seed: int = option(
        0,
        "Seed of tasks, noise and actions. A member meets the same tasks in all conditions, and "
        "tasks of its own unless the experiment gives all members the same.",
        least=0,
    )
    json: bool = option(False, "Print metrics.json to stdout and nothing else.")
    out: Path | None = option(
        None,
        "Folder to write to; default RUN/evaluation, and runs/evaluation/NAME for a shipped "
        "population.",
    )
    record: int = option(
        20,
        "Episodes per member that are written to record.npz and its tables, step by step; at most "
        "--episodes.",
        least=1,
    )
    figures: bool = option(True, "Whether to write figures.")
    block: float = option(
        0.0,
        "Subtracted from the prediction error that actors are given after every reward (networks "
        "with actor_reward rpe only).",
    )
    stimulate: float = option(
        0.0,
        "Added to the prediction error that actors are given after every outcome without a reward "
        "(networks with actor_reward rpe only).",
    )
    lesion: str | None = option(
        None,
        "Hidden units that are held at 0 at every step, as 3,7,12 or random:8 (drawn by --seed), "
        "or at another value, 3=0.5. Findings are then not held against bars.",
    )
    drive: str | None = option(
        None, "Hidden units to whose activity something is added at every step, as 3=0.5,7=-1."
    )
    task: str | None = option(
        None, "Task of yours that the agents were trained on, FILE.py:CLASS or PACKAGE:ID."
    )
    core: str | None = option(None, "Recurrent core of yours that they have, FILE.py:CLASS.")
    study: str | None = option(None, "Study of yours that they were trained for, FILE.py.")
    minari: str | None = option(
        None,
        "Also keep --record episodes of each member as a Minari dataset of this name, such as "
        "cartpole/prefrontal-v0.",
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class ReproduceOptions:
    """Train and evaluate a shipped population."""

    experiment: str = option(dataclasses.MISSING, "Name of the experiment (`prefrontal list`).")
    seed: int = option(0, "Seed of the run; the shipped populations have 0.", least=0)
    out: Path | None = option(
        None,
        "Run folder; default runs/reproduce/EXPERIMENT-seedSEED. An unfinished run in it is "
        "continued.",
    )
    ship: bool = option(False, "Replace pretrained/EXPERIMENT by what was trained.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)


@dataclass(frozen=True)
class NewOptions:
    """What to write, and where."""

    kind: Literal["task", "core", "model", "study", "data"] = option(
        dataclasses.MISSING,
        "What to write: code of yours, or `data`, simulated choices to fit.",
    )
    file: Path = option(
        dataclasses.MISSING, "File to write; beside it, the test of code, or the columns of data."
    )


@dataclass(frozen=True)
class CheckOptions:
    """What to check."""

    what: str = option(
        dataclasses.MISSING,
        "A task, core or model, FILE.py:CLASS or PACKAGE.MODULE:CLASS, or a study.",
    )


@dataclass(frozen=True)
class ListOptions:
    """What to list."""

    what: Literal[
        "all", "experiments", "environments", "cores", "learners", "shipped", "models"
    ] = option("all", "Which of them.", positional=True)


@dataclass(frozen=True)
class ShownOptions:
    """What the agents are shown."""

    inputs: tuple[str, ...] = option(
        ("action", "reward", "time"),
        "What follows the observation: `action` (the previous one; one-hot if discrete), `reward`, "
        "`centred_reward` or `reward_one_hot` (the previous reward), `time` (t / T), `trial_start` "
        "(1 at the first step of every trial, else 0).",
    )
    split: Literal["train", "held_out", "all"] = option("train", "Tasks to train on.")


@dataclass(frozen=True)
class ForeignOptions:
    """Parameters of an environment that is not ours."""

    env_kwargs: dict[str, Any] = option({}, "Arguments of the environment, as NAME=VALUE.")
    meta_episodes: int | None = option(
        None,
        "Inner episodes of one episode, between which agents keep their memory; none: one.",
        least=1,
    )
    vary: dict[str, Any] = option(
        {},
        "Numbers of the environment that are drawn anew for every episode, and stay in all its "
        "inner ones: NAME=LOW:HIGH.",
    )
    env_workers: int | None = option(
        None,
        "Processes that play the environments, for slow simulators; the results are the same. "
        "None: the processes of the members play them.",
        least=1,
    )
