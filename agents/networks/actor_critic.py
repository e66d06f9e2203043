"""Actor-critics of a population: parameters ``[P, n]``, one flat vector per member, forward and backward by hand.

`ActorCritic` is one network of `prefrontal.agents.networks.recurrent` with two heads (``shared``: policy logits and value from the same
state, Wang et al. 2018, simulations 1-5; ``belief``: by a perceptron each) or two of them side by side (``separate``: actor
and critic have a core each, simulation 6). Losses are plain PyTorch on the heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from prefrontal.agents.networks.cores import Tape
from prefrontal.agents.networks.embedded import EmbeddedNet
from prefrontal.agents.networks.heads import Activation
from prefrontal.agents.networks.recurrent import BeliefNet, RecurrentNet

__all__ = ["PRESETS", "ActorCritic", "BeliefNet", "NetworkConfig", "RecurrentNet"]

#: Layouts by the names of the comparison that they stand for (Zhang et al. 2024).
PRESETS = {"holistic": "shared", "modular": "belief"}


@dataclass(frozen=True)
class NetworkConfig:
    """Shape and initialisation of an actor-critic.

    Attributes:
        core: Recurrent core: `lstm`, `gru`, `rnn` (vanilla), or a feed-forward layer as a control, of units `none` (tanh)
            or `relu`.
        hidden_size: Units per core. Default 48 (Wang et al. 2018).
        layout: `shared` core with two linear heads (also called `holistic`), `separate` cores for actor and critic (Wang et
            al. 2018, simulation 6), or a `belief` core that two perceptrons read (also called `modular`).
        head_units: Units of a hidden layer of the perceptrons; layout `belief` only.
        head_layers: Hidden layers of each perceptron; layout `belief` only.
        head_activation: Of these layers, `relu` or `tanh`; layout `belief` only.
        embedding_size: Units of a linear layer between the inputs and the core `relu`; 0 leaves it out.
        learned_initial_state: Whether the state at the start of an episode is learned (Wang et al. 2018) or zero.
        input_gain: Factor on the initial input weights of the core; 3 helps where inputs must be bound together.
        forget_bias: Added to the initial bias of the LSTM's forget gate.
        actor_reward: What the actor is given as its previous reward: the `reward`, or the critic's prediction error
            `rpe` of it (Wang et al. 2018, simulation 6); the critic is always given the reward.
        rpe_discount: Discount γ of that prediction error; the same as in the learning rule.
    """

    kind: ClassVar[str] = "recurrent"

    core: Literal["lstm", "gru", "rnn", "none", "relu"] = "lstm"
    hidden_size: int = 48
    layout: Literal["shared", "separate", "belief", "holistic", "modular"] = "shared"
    learned_initial_state: bool = False
    input_gain: float = 1.0
    forget_bias: float = 1.0
    actor_reward: Literal["reward", "rpe"] = "reward"
    rpe_discount: float = 0.8
    head_units: int = 48
    head_layers: int = 1
    head_activation: Activation = "relu"
    embedding_size: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers, and replaces the name of a preset by the layout it stands for."""
        object.__setattr__(self, "layout", PRESETS.get(self.layout, self.layout))
        for name in ("hidden_size", "head_units", "head_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.rpe_discount <= 1:
            raise ValueError(f"rpe_discount must be between 0 and 1, not {self.rpe_discount}")
        if self.embedding_size < 0:
            raise ValueError(f"embedding_size must not be negative, not {self.embedding_size}")
        if self.embedding_size and (self.core != "relu" or self.layout == "belief"):
            raise ValueError('embedding_size needs the core "relu", and no layout "belief"')
        if self.embedding_size and self.learned_initial_state:
            raise ValueError(
                "embedding_size needs a network without state: nothing can be learned of it"
            )
        if self.actor_reward == "rpe" and self.layout != "separate":
            raise ValueError('actor_reward "rpe" needs a critic of its own: layout "separate"')


class ActorCritic:
    """Policy logits and state value for P members.

    Args:
        input_size: Inputs I a step.
        num_actions: Actions K.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type.
        device: Where the parameters live.
        reward_row: Which input is the previous reward, where the actor is given prediction errors in its place.
    """

    def __init__(
        self,
        input_size: int,
        num_actions: int,
        config: NetworkConfig,
        members: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        reward_row: int | None = None,
    ) -> None:
        if (config.actor_reward == "rpe") != (reward_row is not None):
            raise ValueError('a reward_row goes with actor_reward "rpe", and with nothing else')
        self.reward_row = reward_row
        self.input_size, self.num_actions, self.config, self.members = (
            input_size,
            num_actions,
            config,
            members,
        )
        self.dtype, self.device = dtype, device
        outputs = [num_actions, 1] if config.layout == "separate" else [num_actions + 1]
        kind = BeliefNet if config.layout == "belief" else RecurrentNet
        kind = EmbeddedNet if config.embedding_size else kind
        self.nets = [kind(input_size, o, config, members, dtype, device) for o in outputs]

    def initialise(self, generators: list[torch.Generator]) -> None:
        """Draws the initial parameters of every member from its own generator."""
        for member, generator in enumerate(generators):
            for net in self.nets:
                net.initialise(member, generator)

    @property
    def parameters(self) -> Tensor:
        """A copy of all parameters, ``[P, n]``."""
        return torch.cat([net.parameters for net in self.nets], dim=1)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrites all parameters with ``flat [P, n]``."""
        sizes = [net.parameters.shape[1] for net in self.nets]
        for net, part in zip(self.nets, flat.split(sizes, dim=1), strict=True):
            net.parameters.copy_(part)
            net.refresh()

    def tapes(self, steps: int, batch: int) -> list[Tape]:
        """One tape per net."""
        return [net.tape(steps, batch) for net in self.nets]

    def begin(self, tapes: list[Tape], state: list[tuple[Tensor, ...]] | None = None) -> None:
        """Sets the states before the first step (see `RecurrentNet.begin`)."""
        for index, (net, tape) in enumerate(zip(self.nets, tapes, strict=True)):
            net.begin(tape, None if state is None else state[index])
        if self.reward_row is not None:
            self.expected(tapes).zero_()  # before an episode nothing is expected

    def expected(self, tapes: list[Tape]) -> Tensor:
        """The value before the first step, ``[P, B]``: what the first prediction error is relative to."""
        extra = tapes[1].extra
        if "expected" not in extra:
            extra["expected"] = torch.zeros_like(extra["heads"][0, :, 0])
        value: Tensor = extra["expected"]
        return value

    def step(self, tapes: list[Tape], t: int, stimulation: Tensor | None = None) -> Tensor:
        """One step of every net from the inputs on its tape; returns the logits ``[P, K, B]``.

        Args:
            tapes: The tapes, with the inputs of step t.
            t: Which step.
            stimulation: Added to the prediction error that the actor is given, ``[P, B]``.
        """
        if self.reward_row is not None:
            self._dopamine(tapes, t, stimulation)
            return self.nets[0].step(tapes[0], t)
        heads = self.nets[0].step(tapes[0], t)
        if len(self.nets) == 1:
            return heads[:, :-1]
        self.nets[1].step(tapes[1], t)
        return heads

    def _dopamine(self, tapes: list[Tape], t: int, stimulation: Tensor | None) -> None:
        """Steps the critic, then writes δ_{t-1} = r_{t-1} + γ v_t - v_{t-1} where the actor's input has r_{t-1}."""
        actor, critic = tapes
        value = self.nets[1].step(critic, t)[:, 0]
        before = critic.extra["heads_t"][t - 1][:, 0] if t else self.expected(tapes)
        delta = torch.sub(critic.x_t[t][:, self.reward_row], before)
        delta.add_(value, alpha=self.config.rpe_discount)
        if stimulation is not None:
            delta.add_(stimulation)
        actor.x_t[t][:, self.reward_row] = delta

    def unroll(self, tapes: list[Tape]) -> None:
        """Repeats all steps on the recorded inputs."""
        for net, tape in zip(self.nets, tapes, strict=True):
            net.unroll(tape)

    def heads(self, tapes: list[Tape], parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Recorded logits ``[T, P, K, B]`` and values ``[T, P, B]``; differentiable in `parameters`, if given."""
        if parameters is None:
            heads = [tape.extra["heads"][: tape.used] for tape in tapes]
        else:
            parts = parameters.split([net.parameters.shape[1] for net in self.nets], dim=1)
            heads = [n.attach(tape, p) for n, tape, p in zip(self.nets, tapes, parts, strict=True)]
        if len(heads) == 1:
            return heads[0][:, :, :-1], heads[0][:, :, -1]
        return heads[0], heads[1][:, :, 0]
