"""Planning and learning from reward in the two-step task, mixed, or one of them alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefrontal.behaviour.models.model import (
    Model,
    Parameter,
    State,
    Theta,
    Trial,
    filled,
    log_softmax,
    per_arm,
)
from prefrontal.behaviour.table import Behaviour

COMMON = 0.7  # of tables that do not say

#: Parameters by name; those that a restriction leaves out are fixed in `TwoStep`.
PARAMETERS = {
    "alpha1": Parameter("alpha1", "unit"),
    "alpha2": Parameter("alpha2", "unit"),
    "lambda": Parameter("lambda", "unit"),
    "beta1": Parameter("beta1", "positive", unit=-1),
    "w": Parameter("w", "unit"),
    "perseveration": Parameter("perseveration"),
    "beta2": Parameter("beta2", "positive", unit=-1),
}
WITHOUT = {"hybrid": (), "mf": ("w",), "mb": ("alpha1", "lambda", "w")}


@dataclass(frozen=True)
class TwoStep(Model):
    """SARSA(lambda) and planning, mixed with weight w (Daw et al. 2011, supplement).

    With first choice a1, state s, second choice a2 and reward r, all values from 0:

    - ``QTD(a1) += alpha1 (Q2(s, a2) - QTD(a1)) + alpha1 lambda (r - Q2(s, a2))``
    - ``Q2(s, a2) += alpha2 (r - Q2(s, a2))``, after that
    - ``QMB(a1) = sum_s P(s | a1) max_a2 Q2(s, a2)``
    - first choice: softmax of ``beta1 (w QMB + (1 - w) QTD) + perseveration [a1 chosen last]``
    - second choice: softmax of ``beta2 Q2(s, a2)``

    P is the table's ``mapping`` and ``common``. Where a table has no mapping, it is what the
    subject has seen: the mapping that more of the transitions so far speak for, with the common
    probability (0.7 if not known), and even odds while there is a tie (Daw et al. 2011).
    Perseveration stands outside of beta1; it is beta1 p of Daw et al.

    Attributes:
        kind: ``hybrid``; ``mf`` (w = 0), without planning; ``mb`` (w = 1), without QTD.
        options: Choices at the second stage: 2; or 1, reduced tasks, where nothing is chosen there.
    """

    kind: str = "hybrid"
    options: int = 2

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ValueError: The kind is unknown, or there is no option at the second stage.
        """
        if self.kind not in WITHOUT:
            raise ValueError(f"kind must be one of {', '.join(WITHOUT)}, not {self.kind!r}")
        if self.options < 1:
            raise ValueError(f"options must be at least 1, not {self.options}")

    @property
    def name(self) -> str:
        """The kind, and ``-reduced`` where nothing is chosen at the second stage."""
        return self.kind if self.options > 1 else f"{self.kind}-reduced"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of Daw et al. that the kind has."""
        without = {*WITHOUT[self.kind], *(("beta2",) if self.options == 1 else ())}
        return tuple(one for name, one in PARAMETERS.items() if name not in without)

    @property
    def explains(self) -> tuple[str, ...]:
        """Choices of both stages, if there is one at the second."""
        return ("choice", "choice2") if self.options > 1 else ("choice",)

    @property
    def needs(self) -> tuple[str, ...]:
        """States at the second stage."""
        return ("state2",)

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """Return values of 0, and what is known of the transitions.

        Raises:
            ValueError: There are not two first choices, or more options than the model has.
        """
        assert behaviour.state2 is not None
        second = 0 if behaviour.choice2 is None or self.options == 1 else behaviour.choice2.max()
        if behaviour.arms != 2 or behaviour.state2.max() > 1 or second >= self.options:
            raise ValueError(
                f"{self.name} is a model of 2 first choices, 2 states and {self.options} second "
                "choices in each, and these data have more"
            )
        common = COMMON if behaviour.common is None else behaviour.common
        state = {"second_values": filled(theta, behaviour, 2 * self.options)}
        if self.kind != "mb":
            state["values"] = filled(theta, behaviour, 2)
        if self.kind == "mf":
            return state
        if behaviour.mapping is None:
            # Transitions that spoke for 0 -> 0 and 1 -> 1, less those against; and the odds they
            # stand for. Both are kept, so that a policy needs no table.
            state["evidence"] = filled(theta, behaviour)
            state["scale"] = filled(theta, behaviour, value=2 * common - 1)
        else:
            to_first = np.where(behaviour.mapping == 0, common, 1 - common)
            state["to_first"] = filled(theta, behaviour, 2) + torch.from_numpy(to_first)
        return state

    def prepare(self, theta: Theta, trials: Trial) -> dict[str, Tensor]:
        """Return which pair of state and choice was met, and rates of what was."""
        assert trials.state2 is not None
        pairs, pair = 2 * self.options, trials.state2
        if self.options > 1:
            assert trials.choice2 is not None
            pair = pair * self.options + trials.choice2
        met = torch.nn.functional.one_hot(pair, pairs).double()
        reward = trials.reward.unsqueeze(-1)
        made = {
            "met": met,
            "reward": reward,
            "rate2": per_arm(theta["alpha2"], pairs) * met,
            "same": 1.0 - 2.0 * (trials.state2 != trials.choice).double(),
        }
        if self.kind != "mb":
            made["rate1"] = per_arm(theta["alpha1"], 2) * trials.chosen
            made["trace"] = theta["lambda"].unsqueeze(-1).expand(*made["rate1"].shape[:-1], 1)
        return made

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the softmax of planned and learned values, and of the first choice before."""
        if self.kind == "mf":
            values = state["values"]
        else:
            values = self._planned(state)
            if self.kind == "hybrid":
                values = torch.lerp(state["values"], values, per_arm(theta["w"], 2))
        preferences = per_arm(theta["beta1"], 2) * values
        preferences = preferences + per_arm(theta["perseveration"], 2) * trial.previous
        return log_softmax(preferences, trial.available)

    def log_policy2(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """Return the softmax of the values in the state that was reached."""
        assert trial.state2 is not None
        second = state["second_values"].unflatten(-1, (2, self.options))
        place = (trial.state2 == 1)[..., None]
        values = torch.where(place, second[..., 1, :], second[..., 0, :])
        return log_softmax(per_arm(theta["beta2"], self.options) * values)

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return the values after a reward, and the count of transitions."""
        made, second = trial.prepared, state["second_values"]
        reached = (second * made["met"]).sum(-1, keepdim=True)
        surprise = made["reward"] - reached
        after = {**state, "second_values": torch.addcmul(second, made["rate2"], surprise)}
        if self.kind != "mb":
            first = state["values"]
            change = torch.addcmul(reached - first, made["trace"], surprise)
            after["values"] = torch.addcmul(first, made["rate1"], change)
        if "evidence" in state:
            after["evidence"] = state["evidence"] + made["same"]
        return after

    def latents(self, theta: Theta, state: State, trial: Trial) -> dict[str, Tensor]:
        """Return the prediction error at the reward, and planned values."""
        second = (state["second_values"] * trial.prepared["met"]).sum(-1)
        found = {"rpe": trial.reward - second}
        return found if self.kind == "mf" else {**found, "planned_values": self._planned(state)}

    def _planned(self, state: State) -> Tensor:
        """Return model-based values of the first choices ``[..., S, 2]``."""
        best = state["second_values"].unflatten(-1, (2, self.options)).amax(-1)
        if "to_first" in state:
            first = state["to_first"]
        else:
            half = state["evidence"].sign() * state["scale"] / 2
            first = torch.stack([0.5 + half, 0.5 - half], -1)
        return torch.lerp(best[..., 1:], best[..., :1], first)
