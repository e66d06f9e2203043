"""All that is checked of a task, in the order in which it must be right."""

from __future__ import annotations

from collections.abc import Iterator

from prefrontal.checks import declared, distributions, expectations, playing
from prefrontal.checks.calls import called
from prefrontal.envs.task import Task


def task_problems(cls: type[Task], quick: bool = False) -> Iterator[str]:
    """Yield what is wrong with a class of a task.

    Args:
        cls: The class.
        quick: Whether to play a few steps only.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
    """
    yield from declared.class_problems(cls)
    task = declared.made(cls)
    yield from declared.constant_problems(task)
    if quick:
        playing.played(task, closely=1, most=3)
        return
    yield from distributions.sample_problems(task)
    episode = playing.played(task)
    playing.device_problems(task, episode)
    yield from playing.history_problems(task, episode)
    if task.num_actions:
        yield from expectations.expectation_problems(task)
    called(f"{cls.__name__}.render", task.render, episode.params, 0)
