"""How far training is: a bar where someone looks on, lines in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from prefrontal.experiments.settings import TrainingConfig

if TYPE_CHECKING:
    from prefrontal.agents.training.loop import Progress  # imports torch

SHOWN = {"return": "return", "best": "best", "entropy": "entropy"}  # what is said of the metrics


def _in_a_notebook() -> bool:
    """Return whether this process is the kernel of a notebook; others may import its modules."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Reporter:
    """Shows the progress of one condition; use it in a `with` block.

    Args:
        label: What is trained.
        training: How much.
        workers: Processes.
        shown: Whether anything is shown.
    """

    def __init__(self, label: str, training: TrainingConfig, workers: int, shown: bool) -> None:
        from tqdm.auto import tqdm

        self.label, self.training, self.workers = label, training, workers
        self.total = training.total_steps
        self.begun: float | None = None
        self.first, self.tenth, self.told = 0, 0, False
        self.lines = shown and not (_in_a_notebook() or sys.stderr.isatty())
        self.bar: Any = None
        if shown and not self.lines:
            self.bar = tqdm(total=self.total, unit="step", unit_scale=True, desc=label)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def report(self, progress: Progress) -> None:
        """Show how far it is; the first report is that of the start."""
        done = min(progress.steps, self.total)
        known = {label: name for label, name in SHOWN.items() if name in progress.metrics}
        means = {label: progress.metrics[name].mean().item() for label, name in known.items()}
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
            self.bar.set_postfix({label: f"{mean:.3g}" for label, mean in means.items()})
        if self.lines:
            self._line(done, means)

    def _line(self, done: int, means: dict[str, float]) -> None:
        """Say how long it will take when that can be told, and how far it is at every tenth."""
        if not means:
            members, spread = self.training.members, min(self.workers, self.training.members)
            many = f"{members} members" if members > 1 else "1 member"
            processes = f" in {spread} processes" if spread > 1 else ""
            begun = f", {done:,} of them done" if done else ""
            self._say(f"{many}, {self.total:,} steps each{begun}{processes}")
            return
        if self.begun is None:  # what came before holds the time that processes need to start
            self.first, self.begun = done, time.monotonic()
            if done < self.total:
                self.tenth = 10 * done // self.total
                return
        left = (time.monotonic() - self.begun) * (self.total - done) / max(done - self.first, 1)
        if not self.told and done < self.total:
            self._say(f"about {_duration(left)}")
        self.told = True
        if 10 * done // self.total == self.tenth:
            return
        self.tenth = 10 * done // self.total
        rest = f", {_duration(left)} left" if done < self.total else ""
        shown = "".join(f", {label} {mean:.3g}" for label, mean in means.items())
        self._say(f"{100 * done // self.total} %, {done:,} steps{shown}{rest}")

    def _say(self, text: str) -> None:
        print(f"{self.label}: {text}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
