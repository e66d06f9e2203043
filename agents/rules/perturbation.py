"""Node perturbation: noise on the units while the agent acts, correlated with what it brought.

With ξ_t the noise (deviation σ) on what reaches the units, ``u_t = W z_t + ξ_t``, and A_t the
advantage,

- node perturbation (Fiete & Seung 2006) is ``ΔW = Σ_t A_t ξ_t z_tᵀ / σ²``, the score of the
  noise: the policy gradient of a network whose units are drawn, not computed;
- its reward-modulated Hebbian form (Miconi 2017) does not know the noise:
  ``ΔW = Σ_t A_t ((u_t - ū_{t-1}) z_tᵀ)³``, with ū a running mean of what reached the units, from
  u_0 on, and the cube taken of each product. It needs a core of one matrix.

Only the core and the embedding learn so; the read-outs learn by their own gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prefrontal.agents.common.seeding import generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.plain import PlainNet, PlainTape
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.rules.config import RuleConfig

KEPT = 0.05  # share of the running mean that a step keeps (published code of Miconi 2017)


class Perturbation:
    """Noise on the units of P members, and what is learned from it.

    Args:
        rule: The rule.
        model: The networks, of layout `shared` and in plain PyTorch.
        generators: One a member.
    """

    def __init__(
        self, rule: RuleConfig, model: ActorCritic, generators: Sequence[torch.Generator]
    ) -> None:
        self.rule, self.model, self.generators = rule, model, list(generators)

    @property
    def net(self) -> PlainNet:
        """The network."""
        net: PlainNet = self.model.nets[0]
        return net

    def begin(self, tapes: Sequence[Tape]) -> None:
        """Draw the noise of the next episodes ``[T, P, B, N]``, to be added while they play."""
        (tape,) = tapes
        assert isinstance(tape, PlainTape)
        size = tape.steps, tape.batch, self.net.plain.driven
        rows = [torch.randn(size, generator=g) for g in self.generators]
        tape.noise = (self.rule.perturbation * torch.stack(rows, 1)).to(tape.x)

    def gradient(self, tapes: Sequence[Tape], gain: Tensor) -> Tensor:
        """Return what stands in for the gradient of the loss, ``[P, n]``.

        Args:
            tapes: The recording.
            gain: Weight of each step in the mean times its advantage, ``[T, P, B]``.
        """
        (tape,) = tapes
        assert isinstance(tape, PlainTape)
        assert tape.noise is not None
        used = len(gain)
        xs = tape.x[:used]
        before = [tape.states[t] for t in range(used)]
        states = tuple(torch.stack(part) for part in zip(*before, strict=True))
        if self.rule.name == "hebbian":
            return self._hebbian(tape, gain, xs, states)
        noise = tape.noise[:used] * gain.unsqueeze(3) / self.rule.perturbation**2
        parameters = self.model.parameters.requires_grad_()
        with torch.enable_grad():
            drives = self.net.plain.drives(self.net.plain.views(parameters), xs, states)
            score = (drives * noise.transpose(0, 1).flatten(1, 2)).sum()
            (found,) = torch.autograd.grad(-score, parameters, materialize_grads=True)
        return found

    def _hebbian(
        self, tape: PlainTape, gain: Tensor, xs: Tensor, states: tuple[Tensor, ...]
    ) -> Tensor:
        mean, apart = tape.drives[0], []
        for drive in tape.drives[: len(gain)]:
            apart.append(drive - mean)
            mean = torch.lerp(drive, mean, KEPT)
        columns = [xs, *states[:1], torch.ones_like(xs[..., :1])]
        cubes = [
            part.pow(3).transpose(0, 1).flatten(1, 2)  # [P, T * B, ...]
            for part in (torch.stack(apart), torch.cat(columns, 3))
        ]
        modulated = cubes[0] * gain.transpose(0, 1).flatten(1).unsqueeze(2)
        found = torch.zeros_like(self.model.parameters)
        self.net.plain.views(found)["core.weight"].copy_(-torch.bmm(modulated.mT, cubes[1]))
        return found

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly; first dimension: the member."""
        return {"generator": generator_states(self.generators)}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        set_generator_states(self.generators, state["generator"])
