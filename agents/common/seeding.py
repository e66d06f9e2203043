"""Independent random streams: every draw of a member comes from generators of its own."""

from __future__ import annotations

import numpy as np
import torch

STREAMS = {
    name: number
    for number, name in enumerate(
        ("weights", "actions", "critic", "evaluation", "replay", "evolution")
        + ("feedback", "perturbation")
    )
}


def generator(seed: int, member: int, stream: str) -> torch.Generator:
    """Return one member's generator for one purpose; (seed, member, stream) alone determine it."""
    words = np.random.SeedSequence([seed, member, STREAMS[stream]]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def generator_states(generators: list[torch.Generator]) -> torch.Tensor:
    """Return the states as one tensor ``[P, bytes]`` of uint8."""
    return torch.stack([g.get_state() for g in generators])


def set_generator_states(generators: list[torch.Generator], states: torch.Tensor) -> None:
    """Restore what `generator_states` returned."""
    for g, state in zip(generators, states, strict=True):
        g.set_state(state.cpu().clone())  # PyTorch crashes on a row of a larger tensor
