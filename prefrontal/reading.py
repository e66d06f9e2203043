"""Words of the command line to dataclasses: an option for each field, read and explained by tyro.

Options are flat: a field in a group has a name of its own (`--replay-capacity` for
``replay.capacity``), see `prefrontal.checking.option`. Groups in the help are the dataclasses.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import tyro
from tyro import _errors as failures
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT
from prefrontal.checking import build
from prefrontal.experiments.settings import Settings, task_options
from prefrontal.options import ForeignOptions, RunOptions, ShownOptions

T = TypeVar("T")
META = (
    "meta_episodes",
    "vary",
    "env_workers",
)  # what `make_foreign` takes besides an environment's arguments

#: What Python says of texts that are no numbers.
_NUMBERS = {
    "whole number": r"invalid literal for int\(\) with base 10",
    "number": "could not convert string to float",
}


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
    return built(cls, read({"options": cls}, words, prog, description))


def parse_known(cls: type[T], words: Sequence[str], prog: str) -> tuple[T, list[str]]:
    """Read a dataclass from some of the words.

    Returns:
        The dataclass, and the words that are not options of its, ``--help`` among them.

    Raises:
        ConfigError: A wrong value.
    """
    made, rest = _tyro(_joined({"options": cls}), words, prog, add_help=False, known=True)
    return built(cls, _values(made)), rest


def read(
    parts: Mapping[str, Any], words: Sequence[str], prog: str, description: str
) -> dict[str, Any]:
    """Read the options of several dataclasses, which must have different names, from words.

    Args:
        parts: Dataclasses, instances (whose values are the defaults) or classes.
        words: Command-line words.
        prog: Name of the program in the help.
        description: Text above the help.

    Returns:
        The value of every option by its flat name.

    Raises:
        ConfigError: An unknown option or a value of another type, in one line.
        SystemExit: After ``--help``.
    """
    return _values(_tyro(_joined(parts), words, prog, description=description))


def built(cls: type[T], values: Mapping[str, Any]) -> T:
    """Return a dataclass with these values, checked.

    Raises:
        ConfigError: A value is of another type or not allowed.
    """
    try:
        return build(cls, values)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _tyro(
    cls: Any,
    words: Sequence[str],
    prog: str,
    *,
    description: str = "",
    add_help: bool = True,
    known: bool = False,
) -> Any:
    """Let tyro read words; what is wrong is raised in one line."""

    def refuse(event: failures.ParseErrorEvent) -> NoReturn:
        parts = [typing.cast(Any, part.type) for part in dataclasses.fields(cls)]
        names = [one.name for part in parts for one in dataclasses.fields(part)]
        flags = [f"--{name.replace('_', '-')}" for name in names]
        raise ConfigError(f"{_said(event, flags)}; see {prog} --help".replace("?; see", "? see"))

    cli: Any = tyro.cli
    with failures.on_parse_error(refuse):
        return cli(
            cls,
            args=list(words),
            prog=prog,
            description=description,
            add_help=add_help,
            return_unknown_args=known,
            config=(tyro.conf.OmitArgPrefixes,),
        )


def _said(event: failures.ParseErrorEvent, flags: list[str]) -> str:
    """Return what is wrong with the words, in one line."""
    if isinstance(event, failures.UnrecognizedArgs):
        word = event.tokens[0]
        close = did_you_mean(word.partition("=")[0], flags).replace("'", "")
        return f"unrecognised {word}{close if 'mean' in close and word.startswith('--') else ''}"
    if isinstance(event, failures.MissingArgs):
        names = ", ".join(str(one.arg.lowered.metavar) for one in event.missing_arguments)
        return f"the following arguments are required: {names}"
    argument = getattr(event, "argument", None)
    name = argument.lowered.name_or_flags[0] if argument is not None else "the command line"
    if isinstance(event, failures.InvalidChoice):
        return f"{name} must be one of {', '.join(event.choices)}, not {event.value!r}"
    if isinstance(event, failures.BadValue) and argument is not None:
        count = argument.lowered.nargs
        many = "one argument" if count == 1 else f"{count} arguments"
        return f"{name}: expected {many if event.reason == 'too_few_values' else 'no value'}"
    if isinstance(event, failures.InstantiationFailure):
        own = event.message.startswith("--") and "takes NAME=VALUE" in event.message
        metavar = str(argument.lowered.metavar) if argument is not None else ""
        return event.message if own else f"{name}{_told(event.message, metavar)}"
    return f"{name} cannot be read ({type(event).__name__})"


def _told(message: str, metavar: str) -> str:
    """Return what is wrong with a value, behind the name of its option; Python's words in ours."""
    for kind, python in _NUMBERS.items():
        if found := re.fullmatch(rf"{python}: (?P<value>.*)", message, re.DOTALL):
            comma = re.search(r"\d,\d|^',\d", found["value"])
            hint = " (a decimal point, not a comma)" if comma and kind == "number" else ""
            return f" must be a {kind}, not {found['value']}{hint}"
    if found := re.match(r"Could not parse arguments \[(?P<values>.*)\] into", message, re.DOTALL):
        return f" must be {'whole ' * ('INT' in metavar)}numbers, not {found['values']}"
    return f": {message}"


def _joined(parts: Mapping[str, Any]) -> Any:
    """Return a dataclass of dataclasses with flat options, one a part, as tyro reads them.

    An option that several parts have is that of the last.
    """
    fields: list[tuple[str, Any]] = []
    taken: set[str] = set()
    for name, part in reversed(list(parts.items())):
        options = [one for one in _options(part) if one[0] not in taken]
        taken |= {one[0] for one in options}
        flat = dataclasses.make_dataclass(name, options)
        flat.__doc__ = (inspect.getdoc(part) or name).partition("\n")[0]
        fields.insert(0, (name, flat))
    return dataclasses.make_dataclass("Options", fields)


def _options(part: Any) -> typing.Iterator[tuple[str, Any, Any]]:
    """Yield name, type and default of the options of a dataclass and of the groups in it."""
    cls = part if isinstance(part, type) else type(part)
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        default = field.default if part is cls else getattr(part, field.name)
        items = get_args(hints[field.name])
        if get_origin(hints[field.name]) is tuple and dataclasses.is_dataclass(items[0]):
            hints[field.name] = _tables(_named_values(field.metadata["alias"]))
            default = ()  # what is given comes after those that there are, see `parse_settings`
        if get_origin(hints[field.name]) is dict:
            hints[field.name] = _named_values(field.name)
            default = default if default is not dataclasses.MISSING else {}
        if dataclasses.is_dataclass(default):
            yield from _options(default)
            continue
        name, alias = field.metadata.get("name", field.name), field.metadata.get("alias")
        text = field.metadata.get("help", "")
        flags = [f"--{alias}".replace("_", "-")] if alias else []
        hint = _with_none(hints[field.name], default)
        if field.metadata.get("repeated"):
            hint = Annotated[hint, tyro.conf.UseAppendAction]
        told = tyro.conf.arg(help=text, aliases=flags)
        if default is dataclasses.MISSING or field.metadata.get("positional"):
            hint = Annotated[hint, tyro.conf.Positional]
        whole: Any = dataclasses.field(default=default)
        if isinstance(default, dict):
            whole = dataclasses.field(default_factory=default.copy)
        yield name, Annotated[hint, told], whole


def _with_none(hint: Any, default: Any) -> Any:
    """Return a type whose None is written `none`, in any case.

    A text that is None where it is not given is what was written: there is a core of that name.
    """
    args = get_args(hint)
    if get_origin(hint) not in (Union, types.UnionType) or type(None) not in args:
        return hint
    (one,) = (arg for arg in args if arg is not type(None))
    word = one is str and default is None
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(one, set()))
    assert isinstance(spec, PrimitiveConstructorSpec)
    choices = [str(choice) for choice in get_args(one)] if get_origin(one) is Literal else []

    def from_words(words: list[str]) -> Any:
        if not word and [one.lower() for one in words] == ["none"]:
            return None
        if choices and words[0] not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {words[0]!r}")
        return spec.instance_from_str(words)

    return Annotated[
        Any,
        PrimitiveConstructorSpec(
            nargs=spec.nargs,
            metavar=f"{{{','.join(choices)}}}" if choices else spec.metavar,
            instance_from_str=from_words,
            is_instance=lambda value: True,
            str_from_instance=lambda v: ["none"] if v is None else spec.str_from_instance(v),
        ),
    ]


def _named_values(option: str) -> Any:
    """Return the type of an option that takes NAME=VALUE, any number of times, as a dictionary."""
    flag = f"--{option}".replace("_", "-")
    spec = PrimitiveConstructorSpec[Any](
        nargs="*",
        metavar="NAME=VALUE ...",
        instance_from_str=lambda words: _table([_argument(word, flag) for word in words], flag),
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [f"{key}={one!r}" for key, one in value.items()],
    )
    return Annotated[Any, spec]


def _table(pairs: list[tuple[str, Any]], flag: str) -> dict[str, Any]:
    """Return names and values as a dictionary."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ConfigError(f"{flag}: {next(n for n in names if names.count(n) > 1)} is given twice")
    return table


def _says(config: Any, given: Mapping[str, Any]) -> bool:
    """Return whether a dataclass has all these values."""
    return all(getattr(config, name, given) == value for name, value in given.items())


def _tables(one: Any) -> Any:
    """Return the type of an option that is repeated, each time with a dictionary of its own."""
    return Annotated[tuple[one, ...], tyro.conf.UseAppendAction]


def _values(made: Any) -> dict[str, Any]:
    """Return the options of a dataclass of `_joined` by their flat names."""
    parts = [getattr(made, part.name) for part in dataclasses.fields(made)]
    return {one.name: getattr(part, one.name) for part in parts for one in dataclasses.fields(part)}


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

    Raises:
        ConfigError: An unknown option or a wrong value, in one line.
        SystemExit: After ``--help``.
    """
    spec = settings.environment
    parts: dict[str, Any] = {"run": run, "training": settings.training}
    if spec != NO_ENVIRONMENT:
        task = task_options(spec.id)
        parts["task"] = built(task, spec.kwargs) if task else _foreign(spec.kwargs)
        parts["shown"] = ShownOptions(spec.inputs, typing.cast(Any, spec.split))
    parts |= {"network": settings.network, "algorithm": settings.algorithm}
    values = read(parts, words, prog, description)
    own = {name: value for name, value in values.items() if name not in vars(run)}
    if "env_kwargs" in own:
        more = {name: own.pop(name) for name in META}
        given = {name: value for name, value in more.items() if value not in (None, {})}
        own["kwargs"] = own.pop("env_kwargs") | given
    if isinstance(settings.network, NetworkConfig):
        own["core"] = values["core"]
        there = settings.network.heads  # a run that goes on may be told again what it has
        new = (one for one in values["heads"] if not any(_says(head, one) for head in there))
        own["heads"] = (*there, *new)
    return settings.with_options(**own)


def _foreign(kwargs: Mapping[str, Any]) -> ForeignOptions:
    """Return the options of an environment that is not ours, from its arguments."""
    own = {name: value for name, value in kwargs.items() if name not in META}
    return ForeignOptions(own, **{name: kwargs[name] for name in META if name in kwargs})


def _argument(text: str, flag: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE`` (a value that is no literal of Python is a text)."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{flag} takes NAME=VALUE, not {text!r}")
    name = name.replace("-", "_")
    if value in ("true", "false"):  # as in files
        return name, value == "true"
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value
