"""Shape of an actor-critic, and the table of cores: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = ["CORES", "NetworkConfig", "register_core"]

#: Cores by name: where their class is, or the class itself. See `prefrontal.agents.networks.cores` for what a core is.
CORES: dict[str, str | type[Any]] = {
    "lstm": "prefrontal.agents.networks.lstm:LSTM",
    "gru": "prefrontal.agents.networks.cores:GRU",
    "rnn": "prefrontal.agents.networks.cores:RNN",
    "none": "prefrontal.agents.networks.cores:Feedforward",
    "relu": "prefrontal.agents.networks.cores:Rectified",
}


def register_core(name: str, core: type[Any]) -> None:
    """Make a core known, so that ``NetworkConfig(core=name)`` means it.

    Args:
        name: Its name.
        core: A class called with ``(input_size, hidden_size)``; what it must do is in `prefrontal.agents.networks.cores`.

    Raises:
        ValueError: If another core has that name.
    """
    if CORES.setdefault(name, core) is not core:
        raise ValueError(f"there is a core named {name!r} already")


@dataclass(frozen=True)
class NetworkConfig:
    """Shape and initialisation of an actor-critic.

    Attributes:
        core: Recurrent core: `lstm`, `gru`, `rnn` (vanilla), a feed-forward layer as a control, of units `none` (tanh)
            or `relu`, or one made known by `register_core`.
        hidden_size: Units per core. Default 48 (Wang et al. 2018).
        layout: `shared` core with two linear heads, or `separate` cores for actor and critic (Wang et al. 2018,
            simulation 6).
        embedding_size: Units of a linear layer between the inputs and the core; 0 leaves it out.
        input_gain: Factor on the initial input weights; 3 helps where inputs must be bound together.
        forget_bias: Added to the initial bias of the LSTM's forget gate.
        actor_reward: What the actor is given as its previous reward: the `reward`, or the critic's prediction error
            `rpe` of it (Wang et al. 2018, simulation 6); the critic is always given the reward.
        rpe_discount: Discount γ of that prediction error; the same as in the learning rule.
    """

    kind: ClassVar[str] = "recurrent"
    #: Settings that old files have and that no longer exist, with the value at which they did nothing.
    retired: ClassVar[dict[str, Any]] = {
        "learned_initial_state": False,
        "head_units": 48,
        "head_layers": 1,
        "head_activation": "relu",
    }

    core: str = "lstm"
    hidden_size: int = 48
    layout: Literal["shared", "separate"] = "shared"
    input_gain: float = 1.0
    forget_bias: float = 1.0
    actor_reward: Literal["reward", "rpe"] = "reward"
    rpe_discount: float = 0.8
    embedding_size: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.core not in CORES:
            raise ValueError(f"core must be one of {', '.join(CORES)}, not {self.core!r}")
        if self.hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, not {self.hidden_size}")
        if not 0 <= self.rpe_discount <= 1:
            raise ValueError(f"rpe_discount must be between 0 and 1, not {self.rpe_discount}")
        if self.embedding_size < 0:
            raise ValueError(f"embedding_size must not be negative, not {self.embedding_size}")
        if self.actor_reward == "rpe" and self.layout != "separate":
            raise ValueError('actor_reward "rpe" needs a critic of its own: layout "separate"')
