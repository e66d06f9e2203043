"""The command line: one option for each field of a dataclass, help from its metadata."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

from prefrontal.agents.common.errors import ConfigError, PrefrontalError, did_you_mean
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT, EnvironmentSpec
from prefrontal.checking import build, check, option
from prefrontal.experiments.settings import Settings, task_options, with_options

T = TypeVar("T")

NO_MEMORY = "can.t allocate memory|out of memory|size calculation overflowed"  # as PyTorch says it


@dataclass(frozen=True)
class RunOptions:
    """How to run."""

    env_id: str | None = option(
        None, "Gymnasium environment to train on, in place of the experiment's."
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
        "Ray cluster to spread an evolving population over: HOST:PORT, `auto`, or `local`, which "
        "starts one on this machine.",
    )
    condition: tuple[str, ...] = option((), "Conditions to train; default: all.")
    progress: bool = option(True, "Whether to show a progress bar.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ValueError(f"device must be cpu or cuda, not {self.device!r}")


@dataclass(frozen=True)
class ShownOptions:
    """What the agents are shown."""

    inputs: tuple[str, ...] = option(
        ("action", "reward", "time"),
        "What follows the observation: `action` (the previous one; one-hot if discrete), `reward`, "
        "`centred_reward` or `reward_one_hot` (the previous reward), `time` (t / T).",
    )
    split: Literal["train", "held_out", "all"] = option("train", "Tasks to train on.")


@dataclass(frozen=True)
class ForeignOptions:
    """Parameters of an environment that is not ours."""

    env_kwargs: tuple[str, ...] = option((), "Arguments of the environment, as NAME=VALUE.")

    def parsed(self) -> dict[str, Any]:
        """Return the arguments as Python values (a text that is no literal stays a text)."""
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


def parse(cls: type[T], words: Sequence[str], prog: str, description: str = "") -> T:
    """Read a dataclass from command-line words.

    Args:
        cls: The dataclass; its fields without a default are positional.
        words: The words.
        prog: Name of the program.
        description: Text above the help.

    Raises:
        ConfigError: An unknown option or a wrong value, in one line.
        SystemExit: After ``--help``.
    """
    return typing.cast(T, _parse({"options": cls}, words, prog, description)["options"])


def parse_known(defaults: T, words: Sequence[str], prog: str) -> tuple[T, list[str]]:
    """Read a dataclass from some of the words.

    Returns:
        The dataclass, and the words that are not options of its, ``--help`` among them.

    Raises:
        ConfigError: A wrong value.
    """
    parser = _Parser(prog=prog, add_help=False, allow_abbrev=False)
    _declare(parser, defaults)
    given, rest = parser.parse_known_args(_words(words))
    return _put(defaults, vars(given)), rest


def parse_settings(
    settings: Settings, run: RunOptions, words: Sequence[str], prog: str, description: str
) -> Settings:
    """Read options over the settings of one condition.

    Args:
        settings: Defaults.
        run: How to run, already read; shown by ``--help``.
        words: Command-line words without those for `run`.
        prog: Name of the program in the help.
        description: Text above the help.

    Returns:
        The settings with what was given put in.
    """
    spec = settings.environment
    parts: dict[str, Any] = {"run": run, "training": settings.training}
    task = task_options(spec.id)
    if spec != NO_ENVIRONMENT:
        if task:
            parts["task"] = _made(task, spec.kwargs)
        else:
            shown = tuple(f"{name}={value!r}" for name, value in spec.kwargs.items())
            parts["task"] = ForeignOptions(shown)
        parts["shown"] = ShownOptions(spec.inputs, typing.cast(Any, spec.split))
    parts |= {"network": settings.network, "algorithm": settings.algorithm}
    read = _parse(parts, words, prog, description)
    environment = spec
    if spec != NO_ENVIRONMENT:
        if task:
            _refuse_staged(spec, parts["task"], read["task"])
            kwargs = dataclasses.asdict(read["task"])
        else:
            kwargs = read["task"].parsed()
        shown = read["shown"]
        environment = replace(spec, inputs=shown.inputs, kwargs=kwargs, split=shown.split)
        if task:
            _made(task, environment.stage(-1).kwargs)
    return replace(
        settings,
        environment=environment,
        **{name: read[name] for name in ("network", "algorithm", "training")},
    )


def _made(task: type[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the options of a task with these values, checked."""
    try:
        return build(task, kwargs)
    except ValueError as error:
        raise ConfigError(f"environment {task.__name__}: {error}") from error


def _refuse_staged(spec: EnvironmentSpec, own: Any, given: Any) -> None:
    """Refuse options that every stage of the environment overrides."""
    for name in set.intersection(*map(set, spec.stages)) if spec.stages else ():
        if getattr(given, name) != getattr(own, name):
            values = ", ".join(repr(stage[name]) for stage in spec.stages)
            raise ConfigError(f"{_flag(name)} is set by the stages of this experiment: {values}")


class _Parser(argparse.ArgumentParser):
    """A parser that raises a ConfigError where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong in one line."""
        said = message.removeprefix("argument ").replace(": must ", " must ", 1)
        raise ConfigError(f"{said}; see {self.prog} --help")


def _words(words: Sequence[str]) -> list[str]:
    """Return words as argparse takes them.

    Underscores of option names become hyphens. A negative number such as -1e-3, which argparse
    would take for an option, gets a leading blank, which makes it a value.
    """
    made = []
    for word in words:
        name, equals, value = word.partition("=")
        if re.match(r"-(\.?\d|inf|nan)", word):
            made.append(f" {word}")
        else:
            made.append(name.replace("_", "-") + equals + value if word[:2] == "--" else word)
    return made


def _parse(
    parts: Mapping[str, Any], words: Sequence[str], prog: str, description: str
) -> dict[str, Any]:
    """Read several dataclasses, whose fields must have different names, from the same words."""
    parser = _Parser(
        prog=prog, description=description, allow_abbrev=False, usage=f"{prog} [options]"
    )
    for part in parts.values():
        title = (inspect.getdoc(part) or "").partition("\n")[0].rstrip(".")
        _declare(parser.add_argument_group(title), part)
    given, rest = parser.parse_known_args(_words(words))
    for word in rest:
        known = [flag for action in parser._actions for flag in action.option_strings]
        close = did_you_mean(word.partition("=")[0], known).replace("'", "")
        hint = close if "mean" in close and word.startswith("--") else f"; see {prog} --help"
        raise ConfigError(f"unrecognised {word.strip()}{hint}")
    return {name: _put(part, vars(given)) for name, part in parts.items()}


def _declare(parser: Any, defaults: Any) -> None:
    """Add an option for each field of a dataclass, and of the dataclasses in it."""
    cls = defaults if isinstance(defaults, type) else type(defaults)
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        default = field.default if defaults is cls else getattr(defaults, field.name)
        if dataclasses.is_dataclass(default):
            _declare(parser, default)
            continue
        name = field.metadata.get("name", field.name)
        text = field.metadata.get("help", "").replace("%", "%%")
        how = _reading(hints[field.name])
        if default is dataclasses.MISSING:
            parser.add_argument(name, help=text, **how)
            continue
        if not (default is None or default == () or default is True or default is False):
            shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
            text += f" (default: {str(shown).replace('%', '%%')})"
        parser.add_argument(_flag(name), dest=name, default=argparse.SUPPRESS, help=text, **how)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _put(defaults: Any, given: Mapping[str, Any]) -> Any:
    """Return a dataclass, given or still to be made, with the given values of its options."""
    try:
        if not isinstance(defaults, type):
            return with_options(defaults, given)
        names = {field.name for field in dataclasses.fields(defaults)}
        return defaults(**{name: value for name, value in given.items() if name in names})
    except ConfigError:
        raise
    except ValueError as error:  # the dataclass's own check
        raise ConfigError(str(error)) from error


def _reading(hint: Any) -> dict[str, Any]:
    """Return how argparse reads a value of this type."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if origin is tuple and args[-1] is Ellipsis:
        return {"nargs": "*", "action": _Tuple, **_reading(args[0])}
    if origin is tuple:
        return {"nargs": len(args), "action": _Tuple, **_reading(args[0])}
    if origin in (Union, types.UnionType):
        (one,) = (arg for arg in args if arg is not type(None))
        how = _reading(one)
        return how | {"type": _or_none(how["type"])} if "type" in how else how
    if origin is Literal:
        return {"type": _choice(args), "metavar": "{" + ",".join(map(str, args)) + "}"}
    readers: dict[Any, Callable[[str], Any]] = {float: _finite, int: int, Path: Path}
    return {
        "type": _told(readers.get(hint, str)),
        "metavar": getattr(hint, "__name__", "value").upper(),
    }


class _Tuple(argparse.Action):
    """Keep several values as a tuple."""

    def __call__(self, parser: Any, namespace: Any, values: Any, flag: Any = None) -> None:
        if values == [] and self.dest == "condition":
            parser.error("--condition needs a name")
        setattr(namespace, self.dest, tuple(values))


def _told(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader whose own message is shown."""

    def read(text: str) -> Any:
        try:
            return reader(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _or_none(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.lower() == "none" else reader(text)


def _choice(choices: tuple[Any, ...]) -> Callable[[str], Any]:
    by_text = {str(choice): choice for choice in choices}

    def read(text: str) -> Any:
        if text not in by_text:
            raise ValueError(f"must be one of {', '.join(by_text)}, not {text!r}")
        return by_text[text]

    return _told(read)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {text.strip()}")
    return value


def guarded(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a command line; what the user can mend becomes one line and exit code 2."""
    try:
        return main(arguments)
    except PrefrontalError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search(NO_MEMORY, str(error)):
            raise
        what = "there is not enough memory for networks, batches or records of this size"
        print(f"error: {what}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; go on with --resume", file=sys.stderr)
        return 130
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{place}", file=sys.stderr)
        return 2
