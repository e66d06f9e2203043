"""Replay buffers alone: adding to them and sampling from them, ours and Stable-Baselines3's.

A transition has an observation and a next observation of 17 numbers, an action of 6, a reward and
whether the episode ended, all in single precision, as in a locomotion task. Each yield is the
number of transitions (or steps of trajectories) moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

OBSERVATION, ACTION = 17, 6
CAPACITY = 100_000
STEPS = 100  # of a trajectory; of a batched add
NAMES = ("observation", "next_observation", "action", "reward", "ended")

Operation = Literal["add", "add_batch", "sample", "update", "slices"]


def arrays(*leading: int) -> dict[str, NDArray[np.float32]]:
    """Return random transitions with these leading dimensions."""
    rng = np.random.default_rng(0)
    shapes = ((OBSERVATION,), (OBSERVATION,), (ACTION,), (), ())
    return {
        name: rng.random((*leading, *shape), np.float32)
        for name, shape in zip(NAMES, shapes, strict=True)
    }


def repeat(call: Callable[[], object], moved: int, times: int = 20) -> Iterator[int]:
    """Call without end, `times` per yield: one call may be shorter than reading the clock."""
    while True:
        for _ in range(times):
            call()
        yield moved * times


def play_ours(
    members: int,
    num_envs: int,
    operation: Operation,
    kind: Any = "uniform",
    tensors: bool = True,
    batch: int = 256,
) -> Iterator[int]:
    """Add or sample transitions in our buffer.

    Args:
        members: Members P.
        num_envs: Environments of each; one step of all of them is added at a time.
        operation: "add" a step; "add_batch" of `STEPS` steps at once; "sample" `batch` per member;
            "update" their priorities.
        kind: Kind of replay.
        tensors: Whether to add tensors (as our environments return) or arrays (as others do).
        batch: Transitions a sample.
    """
    import torch

    from prefrontal.agents.common.seeding import generator
    from prefrontal.agents.replay.buffer import TransitionBuffer
    from prefrontal.agents.replay.store import Field

    torch.set_num_threads(1)
    steps = STEPS if operation == "add_batch" else 1
    given: dict[str, Any] = dict(arrays(members, steps * num_envs))
    fields = [Field(name, value.shape[2:]) for name, value in given.items()]
    streams = [generator(0, member, "replay") for member in range(members)]
    buffer = TransitionBuffer(members, CAPACITY // members, fields, streams, kind)
    filling = arrays(members, CAPACITY // members // 10)
    for _ in range(10):
        buffer.add(filling)
    if tensors:
        given = {name: torch.from_numpy(value) for name, value in given.items()}
    if operation in ("add", "add_batch"):
        times = 20 if operation == "add" else 1
        yield from repeat(lambda: buffer.add(given), members * steps * num_envs, times)
    if operation == "sample":
        yield from repeat(lambda: buffer.sample(batch), members * batch)
    index, new = buffer.sample(batch).index, torch.rand(members, batch)
    yield from repeat(lambda: buffer.update_priorities(index, new), members * batch)


def play_trajectories(
    members: int,
    num_envs: int,
    operation: Operation,
    kind: Any = "uniform",
    batch: int = 16,
) -> Iterator[int]:
    """Add or sample trajectories of `STEPS` steps; "slices" are 40 steps after a burn-in of 20."""
    import torch

    from prefrontal.agents.common.seeding import generator
    from prefrontal.agents.replay.store import Field
    from prefrontal.agents.replay.trajectories import TrajectoryBuffer

    torch.set_num_threads(1)
    given: dict[str, Any] = dict(arrays(members, num_envs, STEPS))
    fields = [Field(name, value.shape[3:]) for name, value in given.items()]
    streams = [generator(0, member, "replay") for member in range(members)]
    capacity = CAPACITY // STEPS // members
    lengths = torch.full((members, num_envs), STEPS)
    buffer = TrajectoryBuffer(members, capacity, STEPS, fields, streams, kind)
    given = {name: torch.from_numpy(value) for name, value in given.items()}
    for _ in range(-(-capacity // num_envs)):
        buffer.add(given, lengths)
    if operation == "add":
        yield from repeat(lambda: buffer.add(given, lengths), members * num_envs * STEPS, 1)
    if operation == "sample":
        yield from repeat(lambda: buffer.sample(batch), members * batch * STEPS, 5)
    yield from repeat(lambda: buffer.sample_slices(batch, 40, 20, 20), members * batch * 60, 5)


def play_sb3(
    members: int,
    num_envs: int,
    operation: Operation,
    timeouts: bool = True,
    batch: int = 256,
) -> Iterator[int]:
    """Add or sample transitions in Stable-Baselines3's ``ReplayBuffer``, one for each member.

    Args:
        members: How many buffers.
        num_envs: Environments of each.
        operation: "add" a step; "add_batch" of `STEPS` steps, for which it has a loop, `extend`;
            "sample" `batch`.
        timeouts: Whether it stores time limits apart (its default); else it stores what ours does.
        batch: Transitions a sample.

    Raises:
        ValueError: If it cannot do the operation.
    """
    import torch
    from gymnasium import spaces
    from stable_baselines3.common.buffers import ReplayBuffer

    torch.set_num_threads(1)
    buffers = [
        ReplayBuffer(
            CAPACITY // members,
            spaces.Box(-1, 1, (OBSERVATION,)),
            spaces.Box(-1, 1, (ACTION,)),
            "cpu",
            n_envs=num_envs,
            handle_timeout_termination=timeouts,
        )
        for _ in range(members)
    ]
    infos: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    step: list[Any] = [*arrays(num_envs).values(), infos]
    for buffer in buffers:  # fill it
        buffer.full = True
        for stored in (buffer.observations, buffer.next_observations, buffer.actions):
            stored.fill(0.5)
    if operation == "add":
        calls: list[Callable[..., Any]] = [buffer.add for buffer in buffers]
        yield from repeat(lambda: [call(*step) for call in calls], members * num_envs)
    elif operation == "add_batch":
        steps: list[Any] = [*arrays(STEPS, num_envs).values(), [infos] * STEPS]
        extensions: list[Callable[..., Any]] = [buffer.extend for buffer in buffers]
        yield from repeat(
            lambda: [extend(*steps) for extend in extensions], members * num_envs * STEPS, 1
        )
    elif operation == "sample":
        yield from repeat(lambda: [buffer.sample(batch) for buffer in buffers], members * batch)
    else:
        raise ValueError(f"Stable-Baselines3's buffer has no operation {operation!r}")
