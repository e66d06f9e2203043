"""How agents meet environments: by Gymnasium id, as vector environments of tensors.

An environment whose vector class takes ``tensors`` and ``members`` (all of ours do; any user's may) is used as it is.
Any other Gymnasium id is wrapped by `EpisodeVectorEnv`, which gives it the meta-reinforcement-learning inputs,
tensors and whole episodes of unequal length.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec, load_env_creator

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv
from prefrontal.agents.rollout.spec import EnvironmentSpec

__all__ = [
    "find_spec",
    "is_native",
    "make_envs",
    "make_stages",
    "reward_row",
    "updates_of",
]


#: The module that registers the ids of a namespace, for a clone that is not installed.
_NAMESPACES = {"prefrontal": "prefrontal.envs.registration"}


def register_ids(env_id: str) -> None:
    """Import the module that registers an id, if it names one, or is of a namespace whose module is known.

    Raises:
        ImportError: If there is no such module.
    """
    module, _, name = env_id.rpartition(":")
    if not module and name not in gymnasium.registry:
        module = _NAMESPACES.get(name.partition("/")[0], "")
    if module:
        importlib.import_module(module)


def find_spec(env_id: str) -> EnvSpec:
    """The registered specification of an id.

    Raises:
        ConfigError: If there is no such environment; names the nearest.
    """
    name = env_id.rpartition(":")[2]
    try:
        register_ids(env_id)
        return gymnasium.spec(name)
    except (gymnasium.error.Error, ImportError) as error:
        hint = did_you_mean(name, gymnasium.registry)
        if hint.startswith("; allowed"):
            hint = "; see gymnasium.pprint_registry() for all ids"
        raise ConfigError(f"there is no environment {env_id!r}{hint}") from error


def is_native(env_id: str) -> bool:
    """Whether the vector class of an environment itself takes ``tensors`` and ``members``."""
    entry = find_spec(env_id).vector_entry_point
    if entry is None:
        return False
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return {"tensors", "members"} <= set(inspect.signature(creator).parameters)


def make_envs(
    spec: EnvironmentSpec,
    members: Sequence[int],
    batch: int,
    *,
    split: str | None = None,
    privileged: bool = False,
    facts: bool = False,
    device: str = "cpu",
    discrete: bool = True,
) -> Any:
    """Environments for `len(members)` members of `batch` episodes each, as `prefrontal.agents.rollout.rollout.Rollout` wants them.

    Args:
        spec: Which environment; of several stages, the last.
        members: Identities of the members.
        batch: Episodes per member.
        split: In place of ``spec.split``.
        privileged: Whether each step's ``info`` carries what only a critic may see.
        facts: Whether each step's ``info`` carries what an analysis needs.
        device: Where tensors live.
        discrete: Whether the agent chooses among actions, and refuses continuous ones.

    Raises:
        ConfigError: Unknown environment, unknown or wrong parameter, or one that this agent cannot act in.
    """
    spec = spec.stage(-1)
    num_envs = len(members) * batch
    name = spec.id.rpartition(":")[2]
    find_spec(spec.id)
    envs: Any
    try:
        if is_native(spec.id):
            envs = gymnasium.make_vec(
                name,
                num_envs=num_envs,
                tensors=True,
                members=tuple(members),
                inputs=tuple(spec.inputs),
                split=split or spec.split,
                privileged=privileged,
                facts=facts,
                autoreset="disabled",
                device=device,
                **spec.kwargs,
            ).unwrapped
        else:
            envs = EpisodeVectorEnv(name, members, batch, spec.inputs, device=device, **spec.kwargs)
    except ConfigError:
        raise
    except (TypeError, ValueError, ImportError, gymnasium.error.Error) as error:
        raise ConfigError(f"environment {spec.id!r}: {error}") from error
    except (
        Exception
    ) as error:  # others' environments raise anything at arguments that they cannot take
        given = (
            ", ".join(f"{key}={value!r}" for key, value in spec.kwargs.items()) or "no arguments"
        )
        raise ConfigError(
            f"environment {spec.id!r} cannot be made with {given}: {type(error).__name__}: {error}"
        ) from error
    if discrete and not isinstance(envs.single_action_space, spaces.Discrete):
        raise ConfigError(
            f"environment {spec.id!r} has actions {envs.single_action_space}; this agent needs Discrete "
            "(recurrent TD3 does not: see train.py zhang2024-modularity --help)"
        )
    return envs


def make_stages(
    spec: EnvironmentSpec, members: Sequence[int], batch: int, **options: Any
) -> list[Any]:
    """The environments of every stage in order, a single one if there are no stages; see `make_envs`."""
    count = max(1, len(spec.stages))
    return [make_envs(spec.stage(index), members, batch, **options) for index in range(count)]


def updates_of(spec: EnvironmentSpec, batch: int, total_steps: int) -> float:
    """Updates of a whole run that plays a batch of episodes in each, in equal shares of steps for every stage."""
    total = 0.0
    stages = make_stages(spec, [0], 1)
    for envs in stages:
        envs.close()
        total += total_steps / len(stages) / (int(envs.steps) * batch)
    return total


def reward_row(inputs: Sequence[str], input_size: int, num_actions: int) -> int:
    """Which number of an observation is the previous reward, where agents are to be given something in its place.

    Args:
        inputs: What follows the observation, in order.
        input_size: Numbers an observation has, with its inputs.
        num_actions: Actions K, the width of the input "action".

    Raises:
        ConfigError: If the reward is not among the inputs, or is there in another form too.
    """
    if "reward" not in inputs or {"centred_reward", "reward_one_hot"} & set(inputs):
        raise ConfigError(
            f'actor_reward "rpe" takes the place of the input "reward": inputs must hold it, and the reward in no '
            f"other form, not {', '.join(inputs) or 'none'}"
        )
    after = list(inputs)[list(inputs).index("reward") + 1 :]
    return input_size - 1 - sum(num_actions if name == "action" else 1 for name in after)
