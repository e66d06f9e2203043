"""Settings as command-line options: one flat option per field, made from the dataclasses themselves."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import io
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
import tyro

from prefrontal import envs
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.pool import check_ray
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT, EnvironmentSpec
from prefrontal.envs.arguments import resolve_task
from prefrontal.experiments.settings import Settings

__all__ = [
    "RunOptions",
    "Switch",
    "parse",
    "parse_run",
    "parse_settings",
    "task_class",
    "task_options",
]

T = TypeVar("T")

OPTIONS = (tyro.conf.OmitArgPrefixes,)
Switch = tyro.conf.FlagCreatePairsOff[bool]  # --resume, but no --no-resume


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        seed: Seed of everything: weights, tasks, noise, actions.
        out: Run folder; default runs/EXPERIMENT/TIME-seedSEED.
        resume: Go on with the run in --out (default: the newest run of the experiment) from its last checkpoint.
        device: Where to compute: cpu, or cuda.
        workers: Processes to spread the members over; 0 takes as many as there are cores and members.
        ray_address: Ray cluster to spread an evolving population over; `local` starts one on this machine.
        condition: Which conditions to train; all if none is named.
        no_progress: No progress bar.
    """

    seed: int = 0
    out: Path | None = None
    resume: Switch = False
    device: str = "cpu"
    workers: int = 0
    ray_address: str | None = None
    condition: tuple[str, ...] = ()
    no_progress: Switch = False

    def __post_init__(self) -> None:
        """Checks the numbers and the device."""
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be between 0 and 2^63 - 1, not {self.seed}")
        if self.workers < 0:
            raise ValueError(f"workers must not be negative, not {self.workers}")
        if self.ray_address is not None:
            check_ray(self.ray_address)
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ValueError(f"device must be cpu or cuda, not {self.device!r}")
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0].partition(" at start of")[0]
            raise ValueError(f"device {self.device!r} cannot be used here: {reason}") from error


@dataclass(frozen=True)
class FaceOptions:
    """What the agents are shown.

    Attributes:
        inputs: What follows the observation: `action` (previous one; one-hot if discrete), `reward`, `centred_reward` or
            `reward_one_hot` (previous reward), `time` (t / T).
        split: Which tasks to train on.
    """

    inputs: tuple[str, ...] = ("action", "reward", "time")
    split: Literal["train", "held_out", "all"] = "train"


@dataclass(frozen=True)
class ForeignOptions:
    """Parameters of an environment that is not ours.

    Attributes:
        env_kwargs: Arguments of the environment, as NAME=VALUE.
    """

    env_kwargs: tuple[str, ...] = ()

    def parsed(self) -> dict[str, Any]:
        """The arguments as Python values (a text that is no literal stays a text)."""
        values: dict[str, Any] = {}
        for item in self.env_kwargs:
            name, equals, text = item.partition("=")
            if not equals:
                raise ConfigError(f"--env-kwargs takes NAME=VALUE, not {item!r}")
            try:
                values[name] = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                values[name] = text
        return values


def task_class(env_id: str) -> type[Any] | None:
    """The dataclass of one of our tasks, None for an environment that is not ours."""
    match = re.fullmatch(r"(?:envs:)?prefrontal/(\w+)-v\d+", env_id)
    return envs.task_class(match[1]) if match and match[1] in envs.TASKS else None


def task_options(task: type[Any]) -> type[Any]:
    """The fields of a task as a dataclass with help texts (from "## Arguments" of its docstring)."""
    section = re.split(r"\n## ", inspect.getdoc(task) or "")
    lines = next((s for s in section if s.startswith("Arguments")), "")
    entry = r"`(\w+)(?:=[^`]*)?`:(.*?)(?=`\w+=[^`]*`:|\n\n|\Z)"
    texts = {name: " ".join(text.split()) for name, text in re.findall(entry, lines, re.DOTALL)}
    fields = []
    for f in dataclasses.fields(task):
        kind = inspect.get_annotations(task, eval_str=True).get(f.name)
        for base in task.__mro__[1:]:
            kind = kind or inspect.get_annotations(base, eval_str=True).get(f.name)
        annotated = Annotated[kind, tyro.conf.arg(help=texts.get(f.name, ""))]  # type: ignore[valid-type]
        default = f.default_factory if f.default is dataclasses.MISSING else None
        spec = field(default_factory=default) if callable(default) else field(default=f.default)
        fields.append((f.name, annotated, spec))
    made = dataclasses.make_dataclass("TaskOptions", fields, frozen=True)
    made.__doc__ = f"Parameters of the environment {task.__name__}."
    return made


def _options_class(parts: dict[str, Any]) -> Any:
    """A dataclass of dataclasses, each default being its instance."""
    fields = [(name, type(value), field(default=value)) for name, value in parts.items()]
    return dataclasses.make_dataclass("Options", fields, frozen=True)


def _parse(parts: dict[str, Any], arguments: Sequence[str], prog: str, description: str) -> Any:
    return parse(_options_class(parts), arguments, prog, description)


def parse(cls: type[T], arguments: Sequence[str], prog: str, description: str | None = None) -> T:
    """Reads a dataclass from command-line words.

    Raises:
        ConfigError: If an option is unknown or a value is wrong, in one line.
        SystemExit: After ``--help``.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = tyro.cli(
                cls, args=list(arguments), prog=prog, description=description, config=OPTIONS
            )
    except ValueError as error:  # a dataclass's own check
        raise ConfigError(str(error)) from error
    except SystemExit as end:
        if not end.code:
            raise
        raise ConfigError(f"{_one_line(said.getvalue())}; see {prog} --help") from end
    _refuse_infinite(parsed)
    return parsed


def _refuse_infinite(options: Any) -> None:
    """Refuses NaN and infinity, which Python reads as numbers, anywhere in a dataclass."""
    for f in dataclasses.fields(options):
        value = getattr(options, f.name)
        if dataclasses.is_dataclass(value):
            _refuse_infinite(value)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, float) and not math.isfinite(one):
                raise ConfigError(
                    f"--{f.name.replace('_', '-')} must be a finite number, not {one}"
                )


def _one_line(box: str) -> str:
    """What tyro says in a box: its first paragraph, and the nearest option."""
    lines = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    lines = [line for line in lines if line]
    if len(lines) > 1 and not lines[1].strip("-"):  # the title, where the terminal knows ASCII only
        lines = lines[2:]
    texts = itertools.takewhile(lambda line: line.strip("─-"), lines)
    text = re.sub(r"^Error parsing (?!-)\w+: ", "", " ".join(texts)).rstrip(".")
    near = re.search(r"Perhaps you meant:.*?(--[\w-]+)", " ".join(lines))
    return f"{text}; did you mean {near[1]}?" if near else text


def parse_settings(
    settings: Settings, run: RunOptions, arguments: Sequence[str], prog: str, description: str
) -> tuple[Settings, RunOptions]:
    """Reads options over the settings of one condition.

    Args:
        settings: Defaults.
        run: Defaults of how to run.
        arguments: Command-line words.
        prog: Name of the program in the help.
        description: Text above the help.

    Returns:
        Settings and run options with what was given put in.
    """
    spec = settings.environment
    parts: dict[str, Any] = {"run": run, "training": settings.training}
    task = task_class(spec.id)
    if spec != NO_ENVIRONMENT:
        own: Any
        if task:
            _check_task(task, spec.stage(-1).kwargs)
            own = task_options(task)(**spec.kwargs)
        else:
            own = ForeignOptions(tuple(f"{name}={value!r}" for name, value in spec.kwargs.items()))
        face = FaceOptions(spec.inputs, spec.split)  # type: ignore[arg-type]
        parts |= {"task": own, "face": face}
    parts |= {"network": settings.network, "algorithm": settings.algorithm}
    parsed = _parse(parts, arguments, prog, description)
    environment = spec
    if spec != NO_ENVIRONMENT:
        if task:
            _refuse_staged(spec, own, parsed.task)
        kwargs = dataclasses.asdict(parsed.task) if task else parsed.task.parsed()
        environment = replace(
            spec, inputs=parsed.face.inputs, kwargs=kwargs, split=parsed.face.split
        )
        if task:
            _check_task(task, environment.stage(-1).kwargs)
    given = replace(
        settings,
        environment=environment,
        network=parsed.network,
        algorithm=parsed.algorithm,
        training=parsed.training,
    )
    return given, parsed.run


def _refuse_staged(spec: EnvironmentSpec, own: Any, given: Any) -> None:
    """Refuses options that every stage of the environment overrides."""
    for name in set.intersection(*map(set, spec.stages)) if spec.stages else ():
        if getattr(given, name) != getattr(own, name):
            values = ", ".join(repr(stage[name]) for stage in spec.stages)
            raise ConfigError(
                f"--{name.replace('_', '-')} is set by the stages of this experiment: {values}"
            )


def _check_task(task: type[Any], kwargs: dict[str, Any]) -> None:
    try:
        resolve_task(task, kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"environment {task.__name__}: {error}") from error


def parse_run(arguments: Sequence[str]) -> tuple[str | None, str | None, list[str]]:
    """Splits off what decides the options: the experiment's name and ``--env-id``.

    Returns:
        Name or None, environment id or None, and the remaining words.
    """
    words = list(arguments)
    env_id = None
    for index, word in enumerate(words):
        if word.replace("_", "-").partition("=")[0] == "--env-id":
            _, equals, value = word.partition("=")
            if not equals:
                if index + 1 >= len(words):
                    raise ConfigError("--env-id needs a Gymnasium id, for example CartPole-v1")
                value = words[index + 1]
            env_id = value
            del words[index : index + (1 if equals else 2)]
            break
    name = words.pop(0) if words and not words[0].startswith("-") else None
    return name, env_id, words
