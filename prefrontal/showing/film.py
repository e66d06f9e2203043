"""One episode as a film: `prefrontal play`, and `prefrontal.play`.

A picture of the task (or, where it has none, the numbers of an observation as bars), and beside it
the policy, value and prediction error of every step, as they are recorded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.common.errors import ConfigError, quoted
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.analysis.figures import style
from prefrontal.doors import Doors, is_code
from prefrontal.reading import built
from prefrontal.reading_runs import find_run
from prefrontal.showing.options import PlayOptions
from prefrontal.showing.runs import is_run, opened

LINES = 6  # probabilities or numbers of an action in a panel at most
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)), (0, (1, 3)))


@dataclass(frozen=True)
class Episode:
    """What a film shows: one episode of one member.

    Attributes:
        title: Who plays what.
        record: Arrays ``[T, ...]`` by name, see `Evaluation.record`.
        seen: Observation before each step and after the last one, ``[T + 1, I]``.
        pictures: Before each step that is shown and after the last one; empty if the environment
            makes none.
    """

    title: str
    record: dict[str, np.ndarray]
    seen: np.ndarray
    pictures: list[np.ndarray]

    @property
    def steps(self) -> int:
        """Steps until the episode ends."""
        if "mask" in self.record:
            return max(1, int(self.record["mask"].sum()))
        return len(self.record["reward"])


class _Watched:
    """A vector environment of one row, and a picture of it before each of the first steps."""

    def __init__(self, envs: Any, picture: Callable[[], Any] | None, steps: int) -> None:
        self._envs, self._picture, self._steps = envs, picture, steps
        self.pictures: list[np.ndarray] = []
        self.seen: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._envs, name)

    def _keep(self, observation: Any) -> None:
        import gymnasium

        self.seen.append(observation[0].numpy(force=True).copy())
        if self._picture is not None and len(self.pictures) <= self._steps:
            try:
                self.pictures.append(np.array(self._picture(), dtype=np.uint8))
            except gymnasium.error.DependencyNotInstalled:  # numbers are drawn then
                self._picture = None

    def reset(self, **options: Any) -> Any:
        """Start an episode."""
        shown = self._envs.reset(**options)
        self.pictures.clear()
        self.seen.clear()
        self._keep(shown[0])
        return shown

    def step(self, actions: Any) -> Any:
        """Take a step."""
        shown = self._envs.step(actions)
        self._keep(shown[0])
        return shown


def play(
    what: Any,
    member: int = 0,
    *,
    condition: str | None = None,
    split: str | None = None,
    seed: int = 0,
    out: Path | str = "play.gif",
    frames: int = 200,
    fps: int = 4,
    task: Any = None,
    core: Any = None,
    study: str | None = None,
) -> Path:
    """Draw an episode that a trained agent plays, or the random policy in a task, as a film.

    Args:
        what: Run folder, shipped population, or a task: a Gymnasium id or ``FILE.py:CLASS``.
        member: Which member plays.
        condition: Which condition; None: the first.
        split: Tasks to draw from: ``held_out``, ``train`` or ``all``; None: held-out ones, and all
            for the random policy.
        seed: Seed of task, noise and actions.
        out: File to write, .gif, or .mp4 where ffmpeg is installed.
        frames: Steps that are shown, at most.
        fps: Steps a second.
        task: Task of yours that the agents were trained on.
        core: Core of yours that they have.
        study: Study of yours that they were trained for.

    Returns:
        The file.

    Raises:
        ConfigError: There is no such run, task, condition or member.
    """
    given = {key: value for key, value in locals().items() if key not in ("task", "core", "study")}
    options = built(PlayOptions, {**given, "what": str(what), "out": Path(out)})
    return play_by(options, Doors(task, core, study))


def play_by(options: PlayOptions, doors: Doors | None = None) -> Path:
    """Draw a film as options say; return its file."""
    doors = doors or Doors(options.task, options.core, options.study)
    out = options.out.expanduser()
    if out.suffix not in (".gif", ".mp4"):
        raise ConfigError(f"a film is written to a file NAME.gif or NAME.mp4, not {out}")
    if out.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise ConfigError("NAME.mp4 needs the program ffmpeg; write NAME.gif, or install it")
    episode = _run_episode(options, doors) if is_run(options.what) else _task_episode(options)
    out.parent.mkdir(parents=True, exist_ok=True)
    draw(episode, out, options.frames, options.fps)
    return out


def _run_episode(options: PlayOptions, doors: Doors) -> Episode:
    """Let a trained agent play."""
    run = opened(options.what, doors)
    condition = options.condition or next(iter(run.playable), "")
    if condition not in run.playable:
        names = ", ".join(run.playable) or "none"
        raise ConfigError(f"{run.name} has no condition {condition!r} that plays: it has {names}")
    one = replace(run, settings={condition: run.settings[condition]})
    population = one.evaluation(1).populations[condition]
    if options.member >= len(population):
        raise ConfigError(
            f"{run.name} has members 0 to {len(population) - 1}, not {options.member}"
        )
    agent = population[options.member : options.member + 1]
    where = "" if condition == "default" else f", {condition}"
    split = (options.split or "held_out") if run.experiment.held_out else "all"
    discount = run.settings[condition].algorithm.final_discount
    title = f"{run.name}{where}, member {options.member}"
    return _played(agent, agent.environment, split, options, discount, title)


def _task_episode(options: PlayOptions) -> Episode:
    """Let the random policy play a task."""
    from prefrontal.agents.reference.random_play import RandomPlayers
    from prefrontal.agents.rollout.environments import find_spec

    env_id = Doors(options.what if is_code(options.what) else None).environment() or options.what
    try:
        find_spec(env_id)
    except ConfigError as error:
        if Path(options.what).expanduser().is_dir():
            find_run(Path(options.what))  # says that there is none
        raise ConfigError(f"{quoted(options.what)} is neither a run nor a task: {error}") from error
    players = RandomPlayers([options.member])
    title = f"{env_id}, random policy"
    spec = EnvironmentSpec(env_id, ())
    return _played(players, spec, options.split or "all", options, 1.0, title)


def _played(
    player: Any,
    spec: EnvironmentSpec,
    split: str,
    options: PlayOptions,
    discount: float,
    title: str,
) -> Episode:
    """Play one episode, and keep what is recorded and pictures."""
    spec, seed = spec.stage(-1), options.seed
    envs, picture = _with_pictures(spec, player.members, split)
    watched = _Watched(envs, picture, options.frames)
    watched.reset(seed=seed)
    (record,) = player.record(watched, 1, seed=seed, discount=discount)
    envs.close()
    kept = {name: value[0, 0] for name, value in record.items() if not name.startswith("task.")}
    return Episode(title, kept, np.array(watched.seen), watched.pictures)


def _with_pictures(
    spec: EnvironmentSpec, members: list[int], split: str
) -> tuple[Any, Callable[[], Any] | None]:
    """Return an environment of one row, and how to draw it (None if it cannot be drawn)."""
    import gymnasium

    from prefrontal.agents.rollout.environments import is_native, make_envs
    from prefrontal.agents.rollout.episodes import make_foreign
    from prefrontal.agents.rollout.rows import Rows

    envs: Any = make_envs(spec, members, 1, split=split, facts=True, discrete=False)
    if is_native(spec.id):
        if not hasattr(envs, "task"):  # a vector class of the user's that makes tensors itself
            return envs, None
        envs = gymnasium.make_vec(
            spec.id,
            num_envs=1,
            tensors=True,
            members=tuple(members),
            inputs=spec.inputs,
            split=split,
            facts=True,
            autoreset="disabled",
            render_mode="rgb_array",
            **spec.kwargs,
        ).unwrapped
        return envs, lambda: envs.render()[0]
    try:
        shown = make_foreign(spec.id, spec.inputs, **spec.kwargs)
        shown.close()
        if "rgb_array" not in (shown.metadata.get("render_modes") or ()):
            return envs, None
        shown = make_foreign(spec.id, spec.inputs, render_mode="rgb_array", **spec.kwargs)
    except (ConfigError, TypeError):  # only vectors, or none that takes a mode
        return envs, None
    envs.rows.close()
    envs.rows = Rows([shown])
    return envs, shown.render


# --- drawing ---


def draw(episode: Episode, out: Path, frames: int, fps: int) -> None:
    """Write a film of an episode, a frame a step."""
    from matplotlib import rc_context
    from matplotlib.animation import FFMpegWriter, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = min(episode.steps, frames)
    writer: Any = (PillowWriter if out.suffix == ".gif" else FFMpegWriter)(fps=fps)
    with rc_context(style.STYLE):
        figure = Figure(figsize=(9.6, 4.8), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        figure.suptitle(_clean(episode.title), x=0.01, ha="left", fontsize=11, fontweight="bold")
        halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.15))
        left, right = halves
        show = _scene(left, episode)
        move = _traces(right, episode, steps)
        show(0)
        move(0)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout stays as it is
        with writer.saving(figure, str(out), dpi=80):
            for t in range(steps + 1):
                show(t)
                move(t)
                writer.grab_frame()


def _clean(text: str) -> str:
    """Return text that Matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def _scene(figure: Any, episode: Episode) -> Callable[[int], None]:
    """Draw the task; return what shows the step t."""
    axes = figure.subplots()
    record, steps = episode.record, episode.steps
    if episode.pictures:
        image = axes.imshow(episode.pictures[0])
        axes.set_axis_off()

        def picture(t: int) -> None:
            image.set_data(episode.pictures[min(t, len(episode.pictures) - 1)])
            axes.set_title(_clean(_step_text(record, steps, t)), fontsize=9, loc="center")

        return picture
    shown = episode.seen
    bars = axes.bar(range(shown.shape[1]), shown[0], color=style.PALETTE[0])
    low, high = float(min(shown.min(), 0)), float(max(shown.max(), 0))
    edge = 0.05 * (high - low or 1)
    axes.set(xlabel="number of the observation", ylim=(low - edge, high + edge))
    axes.axhline(0, color=style.GREY, linewidth=0.6)

    def numbers(t: int) -> None:
        for bar, height in zip(bars, shown[min(t, len(shown) - 1)], strict=True):
            bar.set_height(height)
        axes.set_title(_clean(_step_text(record, steps, t)), fontsize=9, loc="center")

    return numbers


def _step_text(record: dict[str, np.ndarray], steps: int, t: int) -> str:
    """Return what is chosen and paid at a step, in words."""
    if t >= steps:
        return f"end: return {record['reward'][:steps].sum():.4g}"
    action = np.atleast_1d(record["action"][t])
    chosen = ", ".join(f"{x:.2f}" if action.dtype.kind == "f" else f"{x}" for x in action[:LINES])
    more = ", ..." if len(action) > LINES else ""
    return f"step {t + 1} of {steps}: chosen {chosen}{more}, paid {record['reward'][t]:.4g}"


def _traces(figure: Any, episode: Episode, steps: int) -> Callable[[int], None]:
    """Draw policy (or action), value and prediction error; return what moves to the step t."""
    panels = list(_panels(episode.record, steps).items())
    axes = list(np.ravel(figure.subplots(len(panels), 1, sharex=True, squeeze=False)))
    x = np.arange(1, steps + 1)
    lines, marks = [], []
    for one, (label, values) in zip(axes, panels, strict=True):
        for k in range(min(values.shape[1], LINES)):
            tone = style.PALETTE[k]
            (line,) = one.plot([], [], color=tone, linestyle=DASHES[k], label=str(k))
            lines.append((line, values[:, k]))
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        edge = 0.08 * (high - low or 1)
        one.set(ylabel=label, xlim=(0.5, steps + 0.5), ylim=(low - edge, high + edge))
        if values.shape[1] > 1:
            one.legend(ncols=LINES, loc="lower right", fontsize=7, title="action", title_fontsize=7)
        marks.append(one.axvline(1, color=style.GREY, linewidth=0.8))
    axes[-1].set_xlabel("step")

    def move(t: int) -> None:
        seen = min(t + 1, steps)
        for line, values in lines:
            line.set_data(x[:seen], values[:seen])
        for mark in marks:
            mark.set_xdata([seen, seen])

    return move


def _panels(record: dict[str, np.ndarray], steps: int) -> dict[str, np.ndarray]:
    """Return what is drawn beside the task, ``[T, n]`` each."""
    named = {"policy": record.get("policy"), "value": record.get("value")}
    named["prediction error"] = record.get("rpe")
    if record["action"].dtype.kind == "f":
        named = {"action": record["action"], **named}
        del named["policy"]
    if named.get("value") is None:
        named["reward so far"] = record["reward"].cumsum()
    return {
        label: np.asarray(one[:steps], dtype=np.float64).reshape(steps, -1)
        for label, one in named.items()
        if one is not None
    }
