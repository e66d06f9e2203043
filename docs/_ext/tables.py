"""Pages of tasks, of cores, learners and rules, and learning curves: from registries and runs."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STEPS = 7  # of an episode before the picture of a task is taken

ABOUT_TASKS = """\
Each is a pure function over batches of tensors (`envs/task.py`), seen as a Gymnasium `Env`, a
native `VectorEnv` (`gymnasium.make_vec`, never a Python loop over environments) or an SB3 `VecEnv`.
Each has a `train` and a `held_out` split of disjoint support, and `all` for comparison with papers.
Episodes have a fixed length and end with `terminated`: the horizon is part of the task. `inputs=`
appends what meta-learning needs to the observation: the previous action (one-hot, if it is
discrete), the previous reward, the time, whether a trial starts. `check_vector_env` of
`prefrontal.envs` checks any vector environment, yours too."""


def put(page: Path, lines: Iterable[str]) -> None:
    """Write a page if it has changed, so that only what changed is built again."""
    text = "\n".join(lines) + "\n"
    if not page.is_file() or page.read_text() != text:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)


def row(*cells: object) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def default(field: dataclasses.Field[Any]) -> str:
    """Return the default of a setting as it is written."""
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "`" + repr(field.default_factory()) + "`" if callable(field.default_factory) else ""


def settings(config: type[Any]) -> list[str]:
    """Return a table of the settings of a configuration that have a help text."""
    rows, groups = [], []
    for field in dataclasses.fields(config):
        made = field.default
        if made is dataclasses.MISSING and callable(field.default_factory):
            made = field.default_factory()
        if dataclasses.is_dataclass(made) and not isinstance(made, type):
            groups.append((field.name, type(made)))
        elif "help" in field.metadata:
            name = field.metadata.get("name", field.name)
            rows.append(row(f"`{name}`", default(field), field.metadata["help"]))
    lines = [row("setting", "default", "what it does"), "|---|---|---|", *rows, ""] if rows else []
    for name, inner in groups:
        lines += [f"*{name}*:", "", *settings(inner)]
    return lines


def draw(task: str, out: Path) -> None:
    """Draw a task after some steps with random actions."""
    import gymnasium
    import matplotlib.image

    env = gymnasium.make(f"prefrontal/{task}-v0", render_mode="rgb_array")
    env.reset(seed=1)
    env.action_space.seed(1)
    for _ in range(min(STEPS, env.unwrapped.task.steps - 1)):
        env.step(env.action_space.sample())
    out.parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(out, env.render())


def tasks(out: Path) -> None:
    """Write a page for every registered task, and one that lists them."""
    import gymnasium

    from prefrontal import envs

    rows = [row("id", "task"), "|---|---|"]
    for name in envs.TASKS:
        task = envs.task_class(name)
        first, _, rest = inspect.getdoc(task).partition("\n")
        env = gymnasium.make(f"prefrontal/{name}-v0").unwrapped
        draw(name, out / "tasks" / f"{name}.png")
        shown = ", ".join(f"`{one}`" for one in env.inputs) or "none"
        splits = "`train` and `held_out`, disjoint, and `all`"
        rest = re.sub(r"(?m)^(`\w+=.*?`: )", r"- \1", rest)
        put(
            out / "tasks" / f"{name}.md",
            [
                f"# {name}",
                "",
                "```{eval-rst}",
                f".. py:class:: prefrontal.envs.{name}",
                f"   :canonical: {task.__module__}.{name}",
                "```",
                "",
                first,
                "",
                f"![{name} after {STEPS} steps](./{name}.png)",
                "",
                row("", ""),
                "|---|---|",
                row("id", f"`prefrontal/{name}-v0`"),
                row("actions", f"`{env.action_space}`"),
                row("observations", f"`{env.observation_space}`, with the inputs {shown}"),
                row("steps of an episode", f"{env.task.steps}"),
                row("splits", splits),
                "",
                rest.strip(),
            ],
        )
        rows.append(row(f"[`prefrontal/{name}-v0`](tasks/{name}.md)", first))
    put(
        out / "tasks.md",
        [
            "# Tasks",
            "",
            ABOUT_TASKS,
            "",
            *rows,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *(f"tasks/{name}" for name in envs.TASKS),
            "```",
        ],
    )


def learners(out: Path) -> None:
    """Write the page of cores, learners and rules with all their settings."""
    from prefrontal.agents.networks.config import CORES, SUMMARIES, HeadConfig, NetworkConfig
    from prefrontal.agents.networks.cores import core_class
    from prefrontal.agents.rules.config import RuleConfig
    from prefrontal.experiments.settings import LEARNERS, TrainingConfig

    lines = ["# Cores, learners, rules: all settings", ""]
    lines += ["What each is good for: [cores, learners, rules](../learning.md).", ""]
    lines += ["## Cores", "", "`--core NAME`, with its own settings in `--core-kwargs`.", ""]
    lines += [row("core", "what it is", "settings of its own"), "|---|---|---|"]
    for name in CORES:
        own = list(inspect.signature(core_class(name)).parameters.values())[2:]
        said = ", ".join(
            f"`{one.name}={one.default!r}`" for one in own if one.kind != one.VAR_KEYWORD
        )
        lines.append(row(f"`{name}`", SUMMARIES[name], said))
    lines += ["", "## Networks", "", *settings(NetworkConfig)]
    lines += ["## Heads", "", "`--head name=… target=…`, once for each.", "", *settings(HeadConfig)]
    lines += ["## Training", "", *settings(TrainingConfig)]
    for name, (config, _) in LEARNERS.items():
        first = (inspect.getdoc(config) or "").partition("\n")[0]
        lines += [f"## Learner `{name}`", "", first, "", *settings(config)]
    lines += ["## Learning rules", "", "Of A2C.", "", *settings(RuleConfig)]
    put(out / "learners.md", lines)


def curves(out: Path, pretrained: Path) -> None:
    """Draw the learning curves of shipped populations that have returns, where that is not done."""
    from prefrontal.agents.common.files import read_toml
    from prefrontal.analysis.figures.learning import training_curves
    from prefrontal.experiments.run_files import read_curves

    out.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path.parent for path in pretrained.glob("*/findings.json")):
        picture = out / f"{folder.name}.png"
        if (
            picture.is_file()
            and picture.stat().st_mtime > (folder / "findings.json").stat().st_mtime
        ):
            continue
        names = read_toml(folder / "config.toml")["conditions"]
        places = {
            name: folder / "metrics.csv" if name == "default" else folder / name / "metrics.csv"
            for name in names
        }
        read = {name: read_curves(place) for name, place in places.items()}
        shown = {
            name: (one["steps"].min(axis=1), one["return"])
            for name, one in read.items()
            if "return" in one and len(one["steps"]) > 2
        }
        if 0 < len(shown) <= 6:
            training_curves(shown, picture, {name: {} for name in shown})


def write(out: Path, pretrained: Path) -> None:
    """Write all pages and pictures."""
    tasks(out)
    learners(out)
    curves(out / "curves", pretrained)
