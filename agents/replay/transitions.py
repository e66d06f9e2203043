"""Replay buffers for populations: steps or whole trajectories, drawn uniformly or by priority, the newest or a fair sample.

P members are stored side by side in tensors ``[P, capacity, ...]`` that are allocated once; `required_bytes` says before how
much that is, and a buffer that does not fit into memory is refused. Each member has its own stream of random numbers, so
what it keeps and draws does not depend on who is beside it. ``str(buffer)`` says what it is in one line.

    from prefrontal.agents.replay.transitions import Field, TransitionBuffer
    from prefrontal.agents.common.seeding import generator

    fields = [Field("observation", (17,)), Field("action", (6,)), Field("reward"), Field("ended", dtype=torch.bool)]
    generators = [generator(seed, member, "replay") for member in range(8)]
    buffer = TransitionBuffer(8, 100_000, fields, generators)
    buffer.add({"observation": ..., "action": ..., "reward": ..., "ended": ...})  # [8, n, ...] each
    batch = buffer.sample(256)  # batch.data["observation"]: [8, 256, 17]
"""

from __future__ import annotations

from collections.abc import Mapping

from prefrontal.agents.replay.buffer import Buffer
from prefrontal.agents.replay.fields import Field, Kind, capacity_within, required_bytes
from prefrontal.agents.replay.priorities import Priorities, sequence_priority
from prefrontal.agents.replay.store import Sample, Values
from prefrontal.agents.replay.trajectories import TrajectoryBuffer, TrajectorySample

__all__ = [
    "Buffer",
    "Field",
    "Kind",
    "Priorities",
    "Sample",
    "TrajectoryBuffer",
    "TrajectorySample",
    "TransitionBuffer",
    "capacity_within",
    "required_bytes",
    "sequence_priority",
]


class TransitionBuffer(Buffer):
    """Single steps of P members; the arguments are those of `Buffer`, without `steps`."""

    def add(
        self,
        batch: Mapping[str, Values],
        mask: Values | None = None,
        priority: Values | None = None,
    ) -> None:
        """Adds steps, in their order.

        Args:
            batch: Fields, ``[P, n, ...]`` each, tensors or arrays.
            mask: Which of them to add, ``[P, n]``; None for all.
            priority: ``[P, n]``; None for the largest that the member has seen (1 at first).

        Raises:
            ConfigError: If a shape or a priority is not possible.
        """
        self._add_rows(batch, mask, priority)

    def sample(self, n: int, beta: float | None = None) -> Sample:
        """Draws n steps of every member.

        Args:
            n: How many.
            beta: Exponent of the importance weights, in place of the one of the settings.

        Raises:
            ConfigError: If a member has none.
        """
        index, weight = self._draw(n, beta)
        store = self._store
        places = store.places(index)
        return Sample({name: store.gather(name, places) for name in store.data}, index, weight)
