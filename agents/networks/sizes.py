"""How many read-outs, parameters and numbers of state the networks of a member have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import Division, Parts
from prefrontal.agents.networks.vectorised import Net, without_memory


def outputs_of(num_actions: int, config: NetworkConfig) -> list[int]:
    """Return the read-outs of each network: of actor and critic, or of both in one."""
    last = 1 + sum(head.outputs(num_actions) for head in config.heads)
    return [num_actions, last] if config.layout == "separate" else [num_actions + last]


def parameter_counts(
    input_size: int, num_actions: int, config: NetworkConfig, parts: Parts = ()
) -> list[int]:
    """Return the number of parameters of each network of a member, without making them.

    That of their encoder is the last, if they have one.
    """
    division = Division(input_size, tuple(parts), config)
    nets = [
        without_memory(partial(Net, division.core_inputs, outputs, config))
        for outputs in outputs_of(num_actions, config)
    ]
    counts = [sum(part.numel() for part in net.parameters()) for net in nets]
    return counts + [division.parameters] * bool(division.parameters)


def state_sizes(
    input_size: int, num_actions: int, config: NetworkConfig, parts: Parts = ()
) -> list[int]:
    """Return how many numbers the state of an episode has in each network of a member."""
    inputs = Division(input_size, tuple(parts), config).core_inputs

    def size(outputs: int) -> int:
        state = Net(inputs, outputs, config).initial_state(1)
        return sum(part.numel() for part in state)

    return [without_memory(partial(size, outputs)) for outputs in outputs_of(num_actions, config)]


def stored_sizes(
    input_size: int, num_actions: int, config: NetworkConfig, parts: Parts = ()
) -> list[int]:
    """Return how many numbers a member's stored parameters may be: now, and in early versions."""
    now = sum(parameter_counts(input_size, num_actions, config, parts))
    spare = config.hidden_size**2 * len(outputs_of(num_actions, config))
    return [now, now + spare] if config.core in ("none", "relu") else [now]


def without_spare(flat: Tensor, sizes: Sequence[int], width: int, config: NetworkConfig) -> Tensor:
    """Return parameters as they are stored now, from what earlier versions stored.

    Cores without memory once had columns of zeros where others have the weights of their state.

    Args:
        flat: ``[..., n]``.
        sizes: Parameters of each network of a member.
        width: Inputs and bias of a core.
        config: Shape of the networks.
    """
    units = config.hidden_size
    old = units * (width + units)
    spare = flat.shape[-1] - sum(sizes)
    if config.core not in ("none", "relu") or spare != units * units * len(sizes):
        return flat
    parts = flat.split([size + units * units for size in sizes], dim=-1)
    kept = []
    for part in parts:
        core = part[..., :old].unflatten(-1, (units, width + units))
        columns = [core[..., : width - 1], core[..., -1:]]
        kept += [torch.cat(columns, -1).flatten(-2), part[..., old:]]
    return torch.cat(kept, -1)
