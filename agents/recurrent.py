"""What learners of recurrent networks share: weights, stages of the environment, exact state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.base import section
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import Tape
from prefrontal.agents.rollout.environments import Stages

__all__ = ["RecurrentLearner", "write_inputs"]


def write_inputs(tapes: Sequence[Tape], observations: Tensor) -> None:
    """Write observations ``[T, P, I, B]`` as the inputs of tapes."""
    for tape in tapes:
        tape.used = len(observations)
        for x, source in zip(tape.x_t, observations.unbind(0), strict=False):
            x.copy_(source)


class RecurrentLearner:
    """P members with an `ActorCritic` each, in the stages of an environment.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows, or one for each stage.
        network: Shape of the networks.
        optimiser: `adam` or `rmsprop`.
        epsilon: Added to the root of the optimiser's second moment.
        members: Identities of the members; (seed, identity) determines what a member learns.
        batch: Episodes B per member and update.
        total_steps: Environment steps per member of the whole run, for annealing and stages.
        seed: Seed of the run.
        device: Where to compute.
        reward_row: See `ActorCritic`.

    Attributes:
        stages: The environments, and which of them is the present one.
        steps: Environment steps made so far, ``[P]`` float64.
    """

    def __init__(
        self,
        envs: Any,
        network: NetworkConfig,
        optimiser: Any,
        epsilon: float,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
        reward_row: int | None = None,
    ) -> None:
        self.stages = Stages(envs if isinstance(envs, list | tuple) else [envs], total_steps)
        self.members, self.batch, self.seed = list(members), batch, seed
        facts = self.stages.facts
        self.model = ActorCritic(
            facts.input_size,
            facts.num_actions,
            network,
            len(self.members),
            device=device,
            reward_row=reward_row,
        )
        self.model.initialise(self.streams("weights"))
        self.optimiser = Optimiser(self.model.parameters, optimiser, epsilon)
        self.generators = self.streams("actions")
        for each in self.stages.envs:
            each.reset(seed=seed)
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)

    @property
    def stage(self) -> int:
        """The present stage."""
        return self.stages.index

    def streams(self, name: str) -> list[torch.Generator]:
        """Return a generator a member for one purpose."""
        return [generator(self.seed, member, name) for member in self.members]

    def close(self) -> None:
        """Close the environments."""
        self.stages.close()

    def begin_with(self, weights: Tensor) -> None:
        """Begin to learn from these weights ``[P, n]``."""
        self.model.set_parameters(weights)

    def update(self) -> dict[str, Tensor]:
        """Learn a little; return metrics ``[P]`` float64, `return` among them."""
        raise NotImplementedError

    def move(self, stage: int) -> None:
        """Make a stage the present one; what plays in its environments is made anew."""
        self.stages.move(stage)

    # EXACT STATE

    def parts(self) -> Mapping[str, Any]:
        """Return what has a state of its own (`state`, `set_state`), by name."""
        return {"optimiser": self.optimiser, "envs": self.stages}

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly; first dimension: the member."""
        state = {
            "weights": self.model.parameters,
            "steps": self.steps,
            "stage": torch.full((len(self.members),), self.stage),
            "generator.actions": generator_states(self.generators),
        }
        for name, part in self.parts().items():
            state |= {f"{name}.{key}": value for key, value in part.state().items()}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.model.set_parameters(state["weights"].to(self.model.device))
        self.steps = state["steps"].clone()
        set_generator_states(self.generators, state["generator.actions"])
        stage = int(state["stage"][0]) if "stage" in state else 0  # early versions had no stages
        if stage != self.stage:
            self.move(stage)
        for name, part in self.parts().items():
            part.set_state(section(state, name))
