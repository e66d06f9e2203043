"""Shape of an actor-critic, and the table of cores: pure data."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from prefrontal.checking import check, did_you_mean, option

_CORES = "prefrontal.agents.networks.cores"

#: Cores by name: where their class is, or the class itself. See `prefrontal.agents.networks.cores`
#: for what a core is.
CORES: dict[str, str | type[Any]] = {
    "lstm": f"{_CORES}.gated:LSTM",
    "gru": f"{_CORES}.gated:GRU",
    "rnn": f"{_CORES}.gated:RNN",
    "rim": f"{_CORES}.rim:RIM",
    "rim-workspace": f"{_CORES}.workspace:RIMWorkspace",
    "none": f"{_CORES}.gated:Feedforward",
    "relu": f"{_CORES}.gated:Rectified",
    "leaky": f"{_CORES}.leaky:Leaky",
    "spiking": f"{_CORES}.spiking:Spiking",
    "plastic": f"{_CORES}.plastic:Plastic",
    "attention": f"{_CORES}.attention:Attention",
    "linear-attention": f"{_CORES}.linear_attention:LinearAttention",
}


#: What they are, in a line.
SUMMARIES = {
    "lstm": "long short-term memory (Hochreiter & Schmidhuber 1997), compiled where it can be",
    "gru": "gated recurrent unit (Cho et al. 2014)",
    "rnn": "vanilla recurrent network (Elman 1990)",
    "rim": "recurrent independent mechanisms (Goyal et al. 2021): modules compete for the input",
    "rim-workspace": "the same with a shared workspace (Goyal et al. 2022)",
    "none": "a layer of tanh units without memory, as a control",
    "relu": "a layer of rectified units without memory, as a control",
    "leaky": "leaky continuous-time units, a CTRNN (Murray 2019)",
    "spiking": "spiking units, half of them with adaptive thresholds (Bellec et al. 2018)",
    "plastic": "weights that change within an episode, neuromodulated (Miconi et al. 2019)",
    "attention": "causal self-attention with gated residuals (GTrXL, Parisotto et al. 2020)",
    "linear-attention": "fast weights written by the delta rule (Schlag et al. 2021)",
}


def register_core(name: str, core: type[Any]) -> None:
    """Make a core known, so that ``NetworkConfig(core=name)`` means it.

    It is a class called with ``(input_size, hidden_size, **own)``; what it must do is in
    `prefrontal.agents.networks.cores`.

    Raises:
        ValueError: It is no class with the methods of a core, or another core has that name.
    """
    missing = [m for m in ("initial_state", "forward") if not callable(getattr(core, m, None))]
    if not isinstance(core, type) or missing:
        what = f"without {' and '.join(missing)}" if isinstance(core, type) else f"not {core!r}"
        raise ValueError(
            f"core {name!r} must be a torch.nn.Module class with initial_state(batch) and "
            f"forward(x, state), {what}"
        )
    known = CORES.get(name, core)
    if known is not core and (isinstance(known, str) or known.__qualname__ != core.__qualname__):
        raise ValueError(f"there is a core named {name!r} already")
    CORES[name] = core  # a class of the same name that was defined anew takes its place


@dataclass(frozen=True)
class Rows:
    """Which number of an observation a network must know of; None where it need not.

    Attributes:
        reward: The previous reward, where the actor is given prediction errors in its place.
        trial: The input `trial_start`, where a trial sets the core's activity back.
    """

    reward: int | None = None
    trial: int | None = None


NO_ROWS = Rows()


#: Losses of heads that learn a distribution: one read-out a level τ.
LEVELLED = ("expectile", "quantile")
#: Targets of heads that any environment has; others are facts of a task.
TARGETS = ("returns", "reward", "observation", "encoding", "correct", "noise")


@dataclass(frozen=True)
class HeadConfig:
    """A read-out of the core with a loss of its own, beside policy and value."""

    name: str = option(dataclasses.MISSING, "Name of the head, in records and metrics.")
    target: str = option(
        "returns",
        "What it learns to tell at each step: the discounted `returns` to come, the `reward` that "
        "follows, the `observation` or the core's `encoding` of it at a horizon, whether the "
        "choice was `correct` (a best one), `noise` (standard normal, as a control), or a fact of "
        "the task that only training sees, by its name.",
    )
    size: int = option(
        1,
        "Numbers of the target; of `expectile` and `quantile`, levels τ = (i + 1/2) / size.",
        least=1,
    )
    loss: Literal["squared", "expectile", "quantile", "cross_entropy", "gaussian"] = option(
        "squared", "Loss; `gaussian` also learns a variance, `cross_entropy` probabilities."
    )
    weight: float = option(1.0, "Weight of the loss in that of the agent.", least=0)
    discount: float | None = option(
        None,
        "Discount of `returns`, or of the horizon of `observation` and `encoding`; none takes "
        "the learner's.",
        least=0,
        most=1,
    )
    per_action: bool = option(
        False, "Whether it has read-outs for every action, of which those of the chosen one learn."
    )
    into_core: bool = option(
        True, "Whether its gradient reaches the core; without, it reads what is there."
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check(self)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", self.name):
            raise ValueError(
                "the name of a head must be letters from a to z, digits, _ and -, first a letter, "
                f"not {self.name!r}"
            )
        if self.per_action and self.target == "returns":
            raise ValueError(
                f"head {self.name}: per_action needs another target than returns, which are the "
                "values of states"
            )
        single = self.loss in LEVELLED or self.target in ("returns", "reward", "correct")
        if self.loss not in LEVELLED and single and self.size != 1:
            raise ValueError(
                f"head {self.name}: {self.target} is one number: size must be 1, not {self.size}"
            )
        if self.loss == "cross_entropy" and self.target in ("returns", "encoding", "noise"):
            raise ValueError(
                f"head {self.name}: {self.target} are no probabilities or classes, which "
                "cross_entropy needs"
            )
        if self.discount is not None and self.target not in ("returns", "observation", "encoding"):
            raise ValueError(
                f"head {self.name}: a discount is that of returns, or of the horizon of "
                f"observation and encoding; {self.target} has none"
            )
        if self.discount == 1 and self.target in ("observation", "encoding"):
            raise ValueError(f"head {self.name}: the discount of a horizon must be below 1")

    def outputs(self, num_actions: int) -> int:
        """Return how many read-outs it has."""
        each = 2 * self.size if self.loss == "gaussian" else self.size
        return each * num_actions if self.per_action else each


@dataclass(frozen=True)
class NetworkConfig:
    """Shape and initialisation of an actor-critic."""

    kind: ClassVar[str] = "recurrent"
    #: Settings that old files have and that no longer exist, with the value at which they did
    #: nothing.
    retired: ClassVar[dict[str, Any]] = {
        "learned_initial_state": False,
        "head_units": 48,
        "head_layers": 1,
        "head_activation": "relu",
        "image_scale": None,
    }

    core: str = option(
        "lstm",
        "Recurrent core: lstm, gru, rnn (vanilla), as a control without memory a layer of tanh "
        "units (none) or of rectified ones (relu), others of `prefrontal list cores`, or one of "
        "yours, FILE.py:CLASS.",
    )
    core_kwargs: dict[str, Any] = option({}, "Settings of the core's own, as NAME=VALUE.")
    hidden_size: int = option(48, "Units per core; 48 in Wang et al. (2018).", least=1)
    reset_at: Literal["episode", "trial"] = option(
        "episode",
        "Where the core's activity is set back: at the start of an episode alone, or also where a "
        "trial starts (needs the input `trial_start`); plastic weights are kept.",
    )
    layout: Literal["shared", "separate"] = option(
        "shared",
        "Whether actor and critic are two linear heads on one shared core, or have separate cores "
        "(Wang et al. 2018, simulation 6).",
    )
    input_gain: float = option(
        1.0, "Factor on the initial input weights; 3 helps where inputs must be bound together."
    )
    forget_bias: float = option(1.0, "Added to the initial bias of the LSTM's forget gate.")
    actor_reward: Literal["reward", "rpe"] = option(
        "reward",
        "What the actor is given as its previous reward: the reward, or the critic's prediction "
        "error of it (rpe; Wang et al. 2018, simulation 6). The critic is always given the reward.",
    )
    rpe_discount: float = option(
        0.8,
        "Discount of the prediction error that the actor is given; as in the learning rule.",
        least=0,
        most=1,
    )
    encoder: Literal["auto", "cnn", "flat"] = option(
        "auto",
        "How observations enter: images through a small convolutional network and everything else "
        "as it is (auto); the same, and bounded numbers of three dimensions count as images (cnn); "
        "all numbers one after the other, pixels too (flat).",
    )
    image_units: int = option(128, "Numbers that an encoded image has.", least=1)
    image_symbols: int | None = option(
        None,
        "Where bytes of an image are symbols and not brightness, how many there are (11 in "
        "MiniGrid's): each has weights of its own in every place, and for being anywhere in view, "
        "instead of convolutions. None: bytes are brightness.",
        least=2,
        most=256,
    )
    normalise_observations: bool = option(
        False,
        "Whether the numbers of an observation (not images, bytes or one-hot codes) are brought to "
        "mean 0 and deviation 1 by a running estimate, which is saved with the agent.",
    )
    embedding_size: int = option(
        0,
        "Units of a linear layer between all inputs (encoded images, other observations, previous "
        "action and reward) and the core; 0 leaves it out.",
        least=0,
    )

    heads: tuple[HeadConfig, ...] = option(
        (),
        "A head beside policy and value, as NAME=VALUE: name, target (returns, reward, "
        "observation, encoding, correct, noise, or a fact of the task), size, loss (squared, "
        "expectile, quantile, cross_entropy, gaussian), weight, discount, per_action, into_core. "
        "Repeat it for more; those of the experiment stay.",
        alias="head",
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check(self)
        names = [head.name for head in self.heads]
        if len(set(names)) < len(names):
            raise ValueError(f"heads need names of their own, not {', '.join(names)}")
        if self.core not in CORES:
            hint = did_you_mean(self.core, CORES)
            known = f"core must be one of {', '.join(CORES)}, not {self.core!r}"
            known += hint if "mean" in hint else ""
            if self.core.endswith(".py"):
                known = f"name the class of the core in its file: {self.core}:CLASS"
            yours = f"; if it is yours, name its file: --core {self.core}"
            raise ValueError(known + yours * (":" in self.core))
        if self.actor_reward == "rpe" and self.layout != "separate":
            raise ValueError('actor_reward "rpe" needs a critic of its own: layout "separate"')
