"""What networks record step by step, whatever computes them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from prefrontal.agents.networks.cores import State


class Tape:
    """What P members with B episodes each have seen and said, step by step.

    Attributes:
        steps: Steps T that it has room for.
        used: How many of them hold a recording (fewer where episodes ended early).
        batch: Episodes B per member.
        x: Inputs of all steps, ``[T, P, ...]`` (or one step more).
        x_t: Inputs of each step, views ``[P, I, B]`` to write to.
        heads: Read-outs ``[T, P, O, B]``; `heads_t` are its steps.
        start: State before the first step, ``[P, B, ...]``; None: the initial one, through which
            gradients flow.
        starts: Where an episode starts, ``[T, P, B]`` of bool: the state is the initial one there.
            None: before the first step alone, if at all.
        before: Value before the first step, ``[P, B]``, of a critic whose prediction errors an
            actor is given.
        seen: What was shown before it was encoded, of networks that have an encoder.
    """

    steps: int
    used: int
    batch: int
    x: Tensor
    x_t: list[Tensor]
    heads: Tensor
    heads_t: list[Tensor]
    before: Tensor
    start: State | None = None
    starts: Tensor | None = None
    seen: Any = None

    def hidden(self) -> Tensor:
        """Return the features after each step, a view ``[T, P, H, B]``."""
        raise NotImplementedError
