"""The network of a life, for any core; an individual's weights are a flat vector, module by module.

A module is a slice, which is what genetic crossover exchanges. With the core `lstm` the network is
that of the NeuroAI course (W2D4 tutorial 4): an optional linear embedding, an LSTM, a value and a
policy head. Its weights are stored input by output, as genomes are kept and as the compiled lives
read them, and are exported to an ordinary actor-critic exactly: a linear layer before an LSTM is
part of its input weights. With any other core it is `prefrontal.agents.networks.vectorised.Net`,
and its weights are the actor-critic's.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.cores.gated import lstm_cell
from prefrontal.agents.networks.vectorised import Net, Vectorised

State = tuple[Tensor, ...]


def merges_embedding(network: NetworkConfig) -> bool:
    """Return whether lives have the course's network, whose embedding is exported with the LSTM."""
    return network.core == "lstm" and network.reset_at == "episode"


class CourseNet(nn.Module):
    """The course's network for one individual, with H = `hidden` units; see `LifetimeNet`."""

    def __init__(self, inputs: int, embedding: int, hidden: int, actions: int) -> None:
        super().__init__()
        self.inputs, self.hidden, self.embedded = inputs, hidden, embedding > 0
        gates = 4 * hidden
        if embedding:
            self.embedding = _parameters(weight=(inputs, embedding), bias=(embedding,))
        matrices = {"input": (embedding or inputs, gates), "state": (hidden, gates)}
        self.core = _parameters(**matrices, input_bias=(gates,), state_bias=(gates,))
        self.critic = _parameters(weight=(hidden, 1), bias=(1,))
        self.actor = _parameters(weight=(hidden, actions), bias=(actions,))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights uniformly in ±1/√(inputs of the layer), ±1/√H in the LSTM, as PyTorch."""
        with torch.no_grad():
            for name, part in self.named_parameters():
                fan = self.inputs if name.startswith("embedding") else self.hidden
                part.copy_((2 * torch.rand(part.shape, generator=generator) - 1) * fan**-0.5)

    def initial_state(self, batch: int) -> State:
        """Return hidden and cell state ``[B, H]`` at the start of an episode."""
        zero = self.core["state"].new_zeros(batch, self.hidden)
        return zero, zero

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Compute logits and value ``[B, A + 1]``, features ``[B, H]`` and the next state."""
        hidden, cell = state
        if self.embedded:
            x = x @ self.embedding["weight"] + self.embedding["bias"]
        w = self.core
        pre = x @ w["input"] + hidden @ w["state"] + w["input_bias"] + w["state_bias"]
        hidden, cell = lstm_cell(pre, cell)
        logits = hidden @ self.actor["weight"] + self.actor["bias"]
        value = hidden @ self.critic["weight"] + self.critic["bias"]
        return torch.cat([logits, value], 1), hidden, (hidden, cell)


def _parameters(**shapes: tuple[int, ...]) -> nn.ParameterDict:
    made = nn.ParameterDict()
    for name, shape in shapes.items():  # one by one: of a dictionary they would be sorted
        made[name] = nn.Parameter(torch.zeros(shape))
    return made


class LifetimeNet:
    """Networks of many individuals side by side: weights ``[L, n]``.

    Args:
        inputs: Inputs I a step.
        actions: Actions A.
        network: Shape; its embedding is replaced.
        embedding: Units E of the linear layer before the core; 0: none.
        trial_row: Which input says that a trial starts, where that sets the core's activity back.

    Attributes:
        plain: The network; its read-outs are logits and value ``[L, B, A + 1]``.
        size: Weights n of one network.
        modules: Slice of each module's weights.
    """

    def __init__(
        self,
        inputs: int,
        actions: int,
        network: NetworkConfig,
        embedding: int,
        trial_row: int | None = None,
    ) -> None:
        self.inputs, self.actions, self.embedding = inputs, actions, embedding
        self.hidden = network.hidden_size
        self.lstm = merges_embedding(network)
        self.plain = Vectorised(
            CourseNet(inputs, embedding, self.hidden, actions)
            if self.lstm
            else Net(inputs, actions + 1, replace(network, embedding_size=embedding), trial_row)
        )
        self.size = self.plain.size
        self.modules: dict[str, slice] = {}
        start = 0
        for name, shape in self.plain.shapes.items():
            part, end = name.partition(".")[0], start + shape.numel()
            self.modules[part] = slice(self.modules.get(part, slice(start, end)).start, end)
            start = end

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw initial weights ``[count, n]``."""
        return torch.stack([self.plain.initial(generator) for _ in range(count)])

    def exported(self, weights: Tensor) -> Tensor:
        """Return the same networks as parameters of an `ActorCritic` (layout shared), ``[L, m]``.

        Each row of the LSTM has its weights from the input, from the state, and its bias; then come
        the policy's rows and the value's, with their biases. The embedding becomes part of the
        LSTM, and stays a layer before any other core.
        """
        if not self.lstm:
            return weights
        w = self.plain.views(weights.double())
        matrix, bias = w["core.input"], w["core.input_bias"] + w["core.state_bias"]
        if self.embedding:
            bias = bias + torch.bmm(w["embedding.bias"][:, None], matrix).squeeze(1)
            matrix = torch.bmm(w["embedding.weight"], matrix)
        core = torch.cat([matrix, w["core.state"], bias[:, None]], 1)
        actor = torch.cat([w["actor.weight"], w["actor.bias"][:, None]], 1)
        critic = torch.cat([w["critic.weight"], w["critic.bias"][:, None]], 1)
        rows = [part.transpose(1, 2).flatten(1) for part in (core, actor, critic)]
        return torch.cat(rows, 1).float()

    def imported(self, parameters: Tensor) -> Tensor:
        """Return the inverse of `exported`, for networks without embedding.

        The bias of the LSTM goes to the first of its two.
        """
        if not self.lstm:
            return parameters
        hidden, actions, width = self.hidden, self.actions, self.inputs + self.hidden + 1
        rows, heads = parameters.split([4 * hidden * width, (actions + 1) * (hidden + 1)], dim=1)
        rows = rows.unflatten(1, (4 * hidden, width)).transpose(1, 2)
        matrix, bias = rows[:, :-1].flatten(1), rows[:, -1]
        policy, value = heads.unflatten(1, (actions + 1, hidden + 1)).split([actions, 1], dim=1)
        policy = policy.transpose(1, 2).flatten(1)
        return torch.cat([matrix, bias, torch.zeros_like(bias), value[:, 0], policy], dim=1)
