"""What a learner was at the end of a stage: a teacher, cloned later (distillation)."""

from __future__ import annotations

from torch import Tensor

from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.vectorised import Tape


class Teacher:
    """The agents as they were, unrolled on the inputs of replayed episodes.

    Args:
        model: The learner's networks, for their shape.
        weights: Weights of the teachers, ``[P, n]``.
    """

    def __init__(self, model: ActorCritic, weights: Tensor) -> None:
        self.weights = weights
        self._model = model.like()
        self._model.set_parameters(weights)
        self._tapes: dict[tuple[int, int], list[Tape]] = {}

    def teach(self, recording: list[Tape]) -> tuple[Tensor, Tensor]:
        """Return logits ``[T, P, K, B]`` and values ``[T, P, B]`` of recordings."""
        size = recording[0].used, recording[0].batch
        if size not in self._tapes:
            self._tapes[size] = self._model.tapes(*size)
        tapes = self._tapes[size]
        for mine, theirs in zip(tapes, recording, strict=True):
            mine.seen = theirs.seen
            for t in range(size[0]):
                mine.x_t[t].copy_(theirs.x_t[t])
        self._model.unroll(tapes)
        return self._model.heads(tapes)
