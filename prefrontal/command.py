"""The command `prefrontal`: list, train, evaluate, reproduce, fit, compare, new, check, ..."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from prefrontal.agents.common.errors import (
    ConfigError,
    PrefrontalError,
    UserCodeError,
    did_you_mean,
)

if TYPE_CHECKING:
    from prefrontal.experiments.settings import Settings
    from prefrontal.options import RunOptions
    from prefrontal.tune_options import TuneOptions

Subject = TypeVar("Subject", "RunOptions", "TuneOptions")

ECHOED = 80  # characters of an argument in a message at most
NO_MEMORY = "can.t allocate memory|out of memory|size calculation overflowed"  # as PyTorch says it

USAGE = """usage: prefrontal COMMAND ...

  list                        experiments, environments, cores, learners, models, shipped agents
  train EXPERIMENT [options]  train the agents of a published finding
  train TASK [options]        train on a task: a Gymnasium id, FILE.py:CLASS, PACKAGE.MODULE:CLASS
  train STUDY.py [options]    train the agents of a study of yours
  tune EXPERIMENT [options]   search settings (of a task or a study too)
  evaluate RUN [RUN ...]      evaluate run folders, or shipped populations by name
  reproduce EXPERIMENT        train and evaluate a shipped population from nothing
  fit DATA [options]          fit models, networks and agents to choices of yours
  compare FIT [options]       compare model classes on held-out choices
  compare RUN RUN [options]   compare runs of agents: differences of findings, learning curves
  report RUN [RUN ...]        one HTML file: findings, curves, episodes to step through
  play RUN [options]          an episode as a film; of a task: play TASK
  recover [options]           simulate models and fit them again
  simulate RUN [options]      let fitted models choose again
  align [RUN] --neural FILE --trials FILE   relate a recording to fitted models and agents
  dynamics RUN [options]      find where the core of trained agents comes to rest
  new KIND FILE               write a commented template of a task, core, model or study, or data
  check FILE.py:CLASS         say what is wrong with a task, a core, a model or a study

`prefrontal COMMAND --help` explains the options; `prefrontal train WHAT --help` those of WHAT.
In Python: import prefrontal as pf; pf.train, pf.evaluate, pf.load, pf.compare_runs, pf.report,
pf.play; pf.read, pf.fit, pf.compare, pf.recover, pf.simulate, pf.align."""


def entry() -> None:
    """Run the command with the words of the command line; the console script."""
    sys.exit(guarded(main, sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    name, *words = arguments
    if name == "--version":
        from importlib.metadata import version

        print(version("prefrontal"))
        return 0
    if name not in COMMANDS:
        raise ConfigError(f"there is no command {name!r}{did_you_mean(name, COMMANDS)}")
    return COMMANDS[name](words)


def _subject(
    command: str, words: list[str], kind: type[Subject], does: str
) -> tuple[str | None, str, Subject, list[str]]:
    """Return what a command is about (None: a task, in the options), its name, options and rest."""
    from prefrontal.reading import parse, parse_known

    what = None if not words or words[0].startswith("-") else words[0]
    prog = f"prefrontal {command} {what or 'WHAT'}"
    options, rest = parse_known(kind, words[1:] if what else words, prog)
    if what is None and options.task is None:
        parse(kind, words, prog, f"{does}; name an experiment, a task or a study first.")
        raise ConfigError("name an experiment or a task first; `prefrontal list` shows all")
    return what, prog, options, rest


def train(words: list[str]) -> int:
    """Train the agents of an experiment, or on a task."""
    from prefrontal.doors import is_code
    from prefrontal.experiments.settings import require_common
    from prefrontal.options import RunOptions
    from prefrontal.planning import plan
    from prefrontal.reading import parse_settings
    from prefrontal.sweeping import read_sweep, swept, words_of
    from prefrontal.training import execute

    what, prog, options, rest = _subject("train", words, RunOptions, "Train agents")
    made = plan(what, options)
    flags = [word.partition("=")[0] for word in rest if word.startswith("--")]
    require_common(made.conditions, [flag[2:].replace("-", "_") for flag in flags])

    def read(one: Settings, words: list[str]) -> Settings:
        return parse_settings(one, options, words, prog, made.description)

    if options.sweep and "--help" not in rest and "-h" not in rest:
        axes = read_sweep(options.sweep)
        settings = swept(made.conditions, axes, lambda one, at: read(one, words_of(at, rest)))
    else:
        settings = {condition: read(one, rest) for condition, one in made.conditions.items()}
    run = execute(made, settings, options, shlex.join(["prefrontal", "train", *words]))
    code = {"--task": made.doors.task, "--core": made.doors.core, "--study": made.doors.study}
    named = [word for flag, text in code.items() if is_code(text) for word in (flag, text)]
    print(f"trained: {run.path}")
    print(f"evaluate it:  {shlex.join(['prefrontal', 'evaluate', str(run.path), *named])}")
    print(f"its curves:   {shlex.join(['tensorboard', '--logdir', str(run.path)])}")
    return 0


def tune(words: list[str]) -> int:
    """Search settings of an experiment, or for a task."""
    from prefrontal.tune_options import TuneOptions
    from prefrontal.tuning import tune as run

    what, _, options, rest = _subject("tune", words, TuneOptions, "Search settings")
    command = shlex.join(["prefrontal", "tune", *words])
    print("\n".join(run(what, options, rest, command)))
    return 0


def evaluate(words: list[str]) -> int:
    """Evaluate trained agents; the exit code is 1 for a finding that is not reproduced."""
    from prefrontal.options import EvaluationOptions
    from prefrontal.showing import commands

    if len(commands.parted(words, EvaluationOptions)[0]) > 1:
        return commands.evaluate(words)
    from prefrontal.evaluating import evaluate_by
    from prefrontal.reading import parse

    options = parse(
        EvaluationOptions, words, "prefrontal evaluate", "Evaluate a trained population."
    )
    report = evaluate_by(options)
    if options.json:
        print(report.metrics_text, end="")
    else:
        report.print()
    return report.exit_code


def reproduce(words: list[str]) -> int:
    """Train and evaluate the shipped population of an experiment."""
    from prefrontal.options import ReproduceOptions
    from prefrontal.reading import parse
    from prefrontal.reproducing import reproduce as run

    report = run(parse(ReproduceOptions, words, "prefrontal reproduce", "From nothing."))
    report.print()
    return report.exit_code


def align(words: list[str]) -> int:
    """Relate a recording to fitted models and to agents."""
    from prefrontal.aligning import align_by
    from prefrontal.neural_options import AlignOptions
    from prefrontal.reading import parse

    options = parse(AlignOptions, words, "prefrontal align", "Relate a recording to models.")
    return _shown(align_by(options), options.json)


def dynamics(words: list[str]) -> int:
    """Find where the core of trained agents comes to rest."""
    from prefrontal.neural_options import DynamicsOptions
    from prefrontal.reading import parse
    from prefrontal.resting import dynamics_by

    options = parse(DynamicsOptions, words, "prefrontal dynamics", "Slow points of trained cores.")
    return _shown(dynamics_by(options), options.json)


def _shown(found: Any, as_json: bool) -> int:
    """Print what was measured and written, or its summary as JSON; return the exit code."""
    import json

    if as_json:
        print(json.dumps(found.summary, indent=1))
    else:
        print(found, "", "written:", *(f"  {path}" for path in found.written), sep="\n")
    return 0


def new(words: list[str]) -> int:
    """Write a commented template of a task, a core, a model or a study, or a table of choices."""
    from prefrontal.options import NewOptions
    from prefrontal.reading import parse
    from prefrontal.templates import write

    options = parse(NewOptions, words, "prefrontal new", "Write a commented template.")
    print(write(options.kind, options.file))
    return 0


def check(words: list[str]) -> int:
    """Say what is wrong with a task, a core, a model or a study of the user's."""
    from prefrontal.checks import notes, problems
    from prefrontal.options import CheckOptions
    from prefrontal.reading import parse

    options = parse(CheckOptions, words, "prefrontal check", "Check code of yours.")
    found = problems(options.what)
    for problem in found:
        print(f"{options.what}: {problem}", file=sys.stderr)
    if not found:
        for note in notes(options.what):
            print(f"{options.what}: note: {note}")
        print(f"{options.what}: all is well")
    return 2 if found else 0


def show(words: list[str]) -> int:
    """List experiments, environments, cores, learners, shipped populations and models."""
    from prefrontal.listing import lines
    from prefrontal.options import ListOptions
    from prefrontal.reading import parse

    options = parse(ListOptions, words, "prefrontal list", "What there is, by name.")
    for line in lines(options.what):
        print(line)
    return 0


def fit(words: list[str]) -> int:
    """Fit models to choices."""
    from prefrontal.behaviour_commands import fit as run

    return run(words)


def compare(words: list[str]) -> int:
    """Compare model classes on held-out choices, or runs of agents."""
    from prefrontal.showing import commands

    if commands.are_agents(words):
        return commands.compare(words)
    from prefrontal.behaviour_commands import compare as run

    return run(words)


def report(words: list[str]) -> int:
    """Write one HTML file on runs."""
    from prefrontal.showing.commands import report as run

    return run(words)


def play(words: list[str]) -> int:
    """Draw an episode as a film."""
    from prefrontal.showing.commands import play as run

    return run(words)


def recover(words: list[str]) -> int:
    """Simulate models and fit them again."""
    from prefrontal.behaviour_commands import recover as run

    return run(words)


def simulate(words: list[str]) -> int:
    """Let fitted models choose again."""
    from prefrontal.behaviour_commands import simulate as run

    return run(words)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "list": show,
    "train": train,
    "tune": tune,
    "evaluate": evaluate,
    "reproduce": reproduce,
    "fit": fit,
    "compare": compare,
    "report": report,
    "play": play,
    "recover": recover,
    "simulate": simulate,
    "align": align,
    "dynamics": dynamics,
    "new": new,
    "check": check,
}


def guarded(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a command line; what the user can mend becomes one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        for word in arguments:
            if re.fullmatch(r"(--[\w-]+=)?\s*", word):
                raise ConfigError(f"{word or repr(word)} has no value: give one, or leave it out")
        return main(arguments)
    except KeyboardInterrupt:
        hint = (
            "; go on with --resume"
            if main is train or arguments[:1] in (["train"], ["tune"])
            else ""
        )
        print(f"interrupted{hint}", file=sys.stderr)
        return 130
    except Exception as error:
        if (said := _said(error)) is None:
            raise
        print(f"error: {_printable(said, arguments)}", file=sys.stderr)
        return 2


def _printable(said: str, arguments: list[str]) -> str:
    """Return a message as one line of printable characters; long arguments in it are cut."""
    values = [part for word in arguments for part in (word, word.partition("=")[2])]
    for value in sorted(values, key=len, reverse=True):
        if len(value) > ECHOED and not _is_path(value):
            said = said.replace(value, f"{value[: ECHOED - 3]}...")
    return "".join(one if one.isprintable() else "?" for one in said)


def _is_path(text: str) -> bool:
    """Return whether there is such a file, or the folder that it would be in."""
    try:
        return Path(text).parent.is_dir() and Path(text).parent != Path()
    except (OSError, ValueError):
        return False


def _said(error: Exception) -> str | None:
    """Return an error in one line for people; None if it is a bug of ours."""
    from prefrontal.agents.common.user_files import blamed

    if isinstance(error, PrefrontalError):
        return str(error)
    if (theirs := blamed(error)) is not None:
        return str(UserCodeError(theirs))
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and re.search(NO_MEMORY, str(error))
    ):
        return "there is not enough memory for networks, batches or records of this size"
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{place}"
    return None
