"""How agents meet environments: by Gymnasium id, as vector environments of tensors.

A vector class that declares ``tensor_face = True`` takes ``tensors`` and ``members`` (all of ours
do; any user's may) and is used as it is. Any other Gymnasium id is wrapped by `EpisodeVectorEnv`,
which adds the meta-reinforcement-learning inputs, tensors, and whole episodes of unequal length.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.common.user_files import blamed
from prefrontal.agents.networks.config import NetworkConfig, Rows
from prefrontal.agents.networks.parts import Part, Parts
from prefrontal.agents.rollout.action_spaces import actions_of
from prefrontal.agents.rollout.blame import name_of
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv, make_foreign
from prefrontal.agents.rollout.spec import NO_ENVIRONMENT, EnvironmentFacts, EnvironmentSpec

#: The module that registers the ids of a namespace.
_NAMESPACES = {"prefrontal": "prefrontal.envs"}
#: Packages whose ids begin so.
PARTNERS = {"MiniGrid-": "minigrid", "BabyAI-": "minigrid", "popgym-": "popgym", "ALE/": "ale_py"}
OWN = "own/"  # namespace of the ids that a user's classes are given


def register_ids(env_id: str) -> None:
    """Register the ids of the package, if this is one of them."""
    module = _NAMESPACES.get(env_id.partition("/")[0])
    if module and env_id not in gymnasium.registry:
        importlib.import_module(module)


def find_spec(env_id: str) -> EnvSpec:
    """Return the registered specification of an id; those of the package register themselves.

    Raises:
        ConfigError: There is no such environment; the message names the nearest.
    """
    register_ids(env_id)
    try:
        return gymnasium.spec(env_id)
    except gymnasium.error.Error as error:
        hint = did_you_mean(env_id, gymnasium.registry)
        if env_id.startswith(OWN):
            hint = f"; if it is a class of yours, name its file: --task FILE.py:{env_id[4:-3]}"
        elif package := next(
            (p for start, p in PARTNERS.items() if env_id.startswith(start)), None
        ):
            hint = f"; the package {package} has such: prefrontal train {package}:{env_id}"
        elif isinstance(error, gymnasium.error.NamespaceNotFound) or "mean" not in hint:
            hint = "; if a package registers it, name that too: --task PACKAGE:ID"
        raise ConfigError(f"there is no environment {env_id!r}{hint}") from error


def is_native(env_id: str) -> bool:
    """Return whether the vector class of an environment declares ``tensor_face``."""
    entry = find_spec(env_id).vector_entry_point
    try:
        creator = load_env_creator(entry) if isinstance(entry, str) else entry
    except Exception as error:  # importing others' code raises anything
        said = blamed(error) or f"{type(error).__name__}: {error}"
        raise ConfigError(f"environment {env_id!r} cannot be imported: {said}") from error
    return bool(getattr(creator, "tensor_face", False))


def make_envs(
    spec: EnvironmentSpec,
    members: Sequence[int],
    batch: int,
    *,
    split: str | None = None,
    privileged: bool = False,
    facts: bool | str = False,
    device: str = "cpu",
    discrete: bool = True,
) -> Any:
    """Make a vector environment of ``P * B`` rows, blocked by member.

    Args:
        spec: Which environment; of several stages, the last.
        members: Identities of the P members.
        batch: Episodes B per member.
        split: In place of ``spec.split``.
        privileged: Whether each step's ``info`` carries what only a critic may see.
        facts: Whether each step's ``info`` carries what an analysis needs; "episode": the
            environment has it after each episode (`Rollout` asks for it), which costs less.
        device: Where tensors live.
        discrete: Whether the agent needs discrete actions.

    Raises:
        ConfigError: Unknown environment, unknown or wrong parameter, or actions of another kind.
    """
    spec = spec.stage(-1)
    name, native = spec.id, is_native(spec.id)
    envs: Any
    with _making(spec):
        if native:
            envs = gymnasium.make_vec(
                name,
                num_envs=len(members) * batch,
                tensors=True,
                members=tuple(members),
                inputs=spec.inputs,
                split=split or spec.split,
                privileged=privileged,
                facts=facts,
                autoreset="disabled",
                device=device,
                **spec.kwargs,
            ).unwrapped
        else:
            envs = EpisodeVectorEnv(name, members, batch, spec.inputs, device=device, **spec.kwargs)
    if discrete and not isinstance(envs.single_action_space, spaces.Discrete):
        raise ConfigError(
            f"environment {spec.id!r} has actions {envs.single_action_space}; this agent needs "
            "Discrete (recurrent A2C does not: --algorithm a2c)"
        )
    return envs


def make_public(
    spec: EnvironmentSpec, num_envs: int | None, split: str | None, render_mode: str | None
) -> Any:
    """Make what agents of these environments play: Gymnasium's, with the inputs they are shown.

    Args:
        spec: Which environment; of several stages, the last.
        num_envs: Rows of a vector environment; None makes a single one.
        split: In place of ``spec.split``.
        render_mode: What ``render`` returns, see Gymnasium.

    Raises:
        ConfigError: There is no such environment, or it cannot be made.
    """
    if spec.id == NO_ENVIRONMENT.id:
        raise ConfigError("these populations have no networks: there is no environment to play")
    spec = spec.stage(-1)
    native, shown = is_native(spec.id), dict(spec.kwargs)
    if render_mode is not None:
        shown["render_mode"] = render_mode
    if native:
        shown |= {"inputs": spec.inputs, "split": split or spec.split}
    with _making(spec):
        if native and num_envs is not None:
            return gymnasium.make_vec(spec.id, num_envs=num_envs, **shown)
        if native:
            return gymnasium.make(spec.id, **shown)
        make = functools.partial(make_foreign, spec.id, spec.inputs, **shown)
        if num_envs is None:
            return make()
        return SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


@contextlib.contextmanager
def _making(spec: EnvironmentSpec) -> Iterator[None]:
    """Say in one line why an environment cannot be made."""
    try:
        yield
    except ConfigError:
        raise
    except (TypeError, ValueError, ImportError, gymnasium.error.Error) as error:
        said = str(error).partition(" was raised from the environment creator")[0]  # Gymnasium's
        raise ConfigError(f"environment {spec.id!r}: {blamed(error) or said}") from error
    except Exception as error:  # others' environments raise anything
        given = ", ".join(f"{k}={v!r}" for k, v in spec.kwargs.items()) or "no arguments"
        said = blamed(error) or f"{type(error).__name__}: {error}"
        raise ConfigError(f"environment {spec.id!r} cannot be made with {given}: {said}") from error


def check_shown(env: Any, spec: EnvironmentSpec, size: int, parts: Parts = ()) -> None:
    """Check that an environment shows what agents were trained to see.

    Args:
        env: An `Env`, a `VectorEnv`, or a `VecEnv` of Stable-Baselines3's, wrapped or not.
        spec: What they were trained on.
        size: Numbers of an observation that they need.
        parts: What these are; none if it is not known.

    Raises:
        ConfigError: It shows other inputs, or does not say which, or has observations of another
            size or with other images.
    """
    space = getattr(env, "single_observation_space", getattr(env, "observation_space", None))
    told, advice = (
        _told(env, "inputs", str),
        "; agent.make_env() and agent.make_vec(n) make the right one",
    )
    if told is None and spec.inputs:
        raise ConfigError(
            f"the agents need observations with the inputs {', '.join(spec.inputs)}, and the "
            f"environment does not say what it shows{advice}"
        )
    if told is not None and told != spec.inputs:
        raise ConfigError(
            f"the agents need the inputs {', '.join(spec.inputs) or 'none'}, and the environment "
            f"shows {', '.join(told) or 'none'}{advice}"
        )
    shape = getattr(space, "shape", None)
    if shape != (size,):
        raise ConfigError(f"the agents need observations of shape {[size]}, not {shape}{advice}")
    seen = _told(env, "parts", Part)
    if parts and seen is not None and seen != tuple(parts):
        raise ConfigError(f"the agents need observations of {_said(parts)}, not {_said(seen)}")


def _said(parts: Parts) -> str:
    return ", ".join(f"{one.kind} {' x '.join(map(str, one.shape))}" for one in parts)


def _told(env: Any, name: str, kind: type[Any]) -> tuple[Any, ...] | None:
    """Return an attribute of an environment, a tuple; None if it has none of this kind."""
    for ask in (
        lambda: env.get_wrapper_attr(name),  # Env
        lambda: env.get_attr(name)[0],  # VecEnv, and VectorEnv made of single ones
        lambda: getattr(env.unwrapped, name),
        lambda: getattr(env, name),
    ):
        with contextlib.suppress(AttributeError, NotImplementedError):
            told = ask()
            if isinstance(told, tuple) and all(isinstance(one, kind) for one in told):
                return told
    return None


def make_stages(
    spec: EnvironmentSpec, members: Sequence[int], batch: int, **options: Any
) -> list[Any]:
    """Make the environments of every stage in order, or one; see `make_envs`."""
    stages = range(max(1, len(spec.stages)))
    return [make_envs(spec.stage(index), members, batch, **options) for index in stages]


def facts_of(envs: Sequence[Any]) -> EnvironmentFacts:
    """Return what an agent must know of the vector environments of a run's stages.

    Raises:
        ConfigError: One agent could not learn in all of them in lock-step.
    """
    first = envs[0]
    every = [actions_of(one.single_action_space, name_of(one)) for one in envs]
    shapes = {
        "observations": [one.single_observation_space.shape for one in envs],
        "images": [getattr(one, "parts", ()) for one in envs],
        "actions": [actions.sizes or len(actions.low) for actions in every],
        "a privileged view": [one.privileged_size for one in envs],
    }
    for what, (size, *others) in shapes.items():
        if wrong := [other for other in others if other != size]:
            raise ConfigError(f"all stages need {what} of the same size, not {size} and {wrong[0]}")
    variable = any(bool(getattr(one, "variable_length", False)) for one in envs)
    if variable and len(envs) > 1:
        raise ConfigError("stages need an environment whose episodes have a fixed length")
    return EnvironmentFacts(
        input_size=int(first.single_observation_space.shape[0]),
        actions=every[0],
        privileged_size=int(first.privileged_size),
        steps=tuple(int(one.steps) for one in envs),
        variable_length=variable,
        parts=getattr(first, "parts", ()),
        notes=tuple(getattr(first, "notes", ())),
    )


def probe(spec: EnvironmentSpec, *, discrete: bool = True) -> EnvironmentFacts:
    """Return the facts of an environment before a run; one row of every stage is made for it.

    Raises:
        ConfigError: As `make_envs` and `facts_of`.
    """
    envs = make_stages(spec, [0], 1, discrete=discrete)
    facts = facts_of(envs)
    for one in envs:
        one.close()
    return facts


def rows_of(
    network: NetworkConfig, inputs: Sequence[str], input_size: int, action_width: int
) -> Rows:
    """Return which numbers of an observation a network must know of.

    Args:
        network: The network.
        inputs: What follows the observation, in this order.
        input_size: Numbers of both.
        action_width: Numbers of the input "action".

    Raises:
        ConfigError: It needs the reward, and that is not among the inputs or is there in another
            form too; or it needs to know where trials start, and that is not among them.
    """
    if network.actor_reward == "rpe" and (
        "reward" not in inputs or {"centred_reward", "reward_one_hot"} & set(inputs)
    ):
        raise ConfigError(
            'actor_reward "rpe" takes the place of the input "reward": inputs must hold it, and '
            f"the reward in no other form, not {', '.join(inputs) or 'none'}"
        )
    if network.reset_at == "trial" and "trial_start" not in inputs:
        raise ConfigError(
            'reset_at "trial" needs the input "trial_start": inputs must hold it, not '
            f"{', '.join(inputs) or 'none'}"
        )

    def row(name: str) -> int:
        after = list(inputs)[list(inputs).index(name) + 1 :]
        return input_size - 1 - sum(action_width if one == "action" else 1 for one in after)

    return Rows(
        row("reward") if network.actor_reward == "rpe" else None,
        row("trial_start") if network.reset_at == "trial" else None,
    )


def rows_in(envs: Sequence[Any], network: NetworkConfig) -> Rows:
    """Return which numbers of an observation a network must know of; see `rows_of`.

    Args:
        envs: Vector environments of all stages.
        network: The network.
    """
    facts = facts_of(envs)
    inputs = [name for name in envs[0].input_slices if name != "observation"]
    return rows_of(network, inputs, facts.input_size, facts.actions.width)
