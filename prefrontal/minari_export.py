"""Episodes of trained agents as a Minari dataset, for offline learners of others."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.meta_inputs import MetaInputs
from prefrontal.options import EvaluationOptions


def export(
    agents: Iterable[Any], name: str, *, episodes: int = 20, seed: int = 0, split: str = "held_out"
) -> Any:
    """Play episodes with trained agents, and keep them as a Minari dataset.

    What is kept of an environment that is not ours are its own observations and actions, not what
    agents are shown of them. Agents draw their actions, and play one after the other.

    Args:
        agents: A population, or a list of agents that were trained on the same environment.
        name: Of the dataset, such as ``cartpole/prefrontal-v0``; ``minari.load_dataset`` takes it.
        episodes: Episodes of each agent.
        seed: Seed of the environment.
        split: Which tasks, where an environment has splits.

    Returns:
        The dataset, a `minari.MinariDataset`.

    Raises:
        ConfigError: Minari is not installed, the name is none or taken, or the environment can
            only be played as a vector.
    """
    minari = _minari(name)
    players = list(agents)
    env = players[0].make_env(split)
    inside = isinstance(env, MetaInputs)  # below what agents are shown
    kept = _Kept(env.env if inside else env)
    if inside:
        env.env = kept
    else:
        env = kept
    for number, player in enumerate(players):
        for episode in range(episodes):
            words = np.random.SeedSequence([seed, number, episode]).generate_state(1)
            _play(env, player, int(words[0] >> 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a dataset might say besides
        dataset = minari.create_dataset_from_buffers(
            name,
            [minari.data_collector.EpisodeBuffer(**one) for one in kept.episodes()],
            env=kept.env if _is_data(kept.env.spec) else None,
            observation_space=kept.env.observation_space,
            action_space=kept.env.action_space,
            algorithm_name="prefrontal",
            description=f"{len(players)} agents, {episodes} episodes each, one after the other",
            jpeg_encoding=False,  # it would change images
        )
    env.close()
    return dataset


def keep(options: EvaluationOptions, populations: Mapping[str, Any]) -> Path:
    """Keep episodes of a run of one condition; return the folder of the dataset.

    Raises:
        ConfigError: The run has several conditions, or see `export`.
    """
    if len(populations) > 1:
        named = ", ".join(populations)
        raise ConfigError(f"--minari is for runs of one condition, not of {named}")
    (agents,) = populations.values()
    dataset = export(
        agents,
        options.minari or "",
        episodes=options.record,
        seed=options.seed,
        split=options.split,
    )
    return Path(dataset.storage.data_path).parent


def _minari(name: str) -> Any:
    try:
        minari = importlib.import_module("minari")
    except ImportError as error:
        raise ConfigError(
            'a Minari dataset needs the package minari: pip install ".[minari]"'
        ) from error
    try:
        minari.dataset.minari_dataset.parse_dataset_id(name)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{name!r:.80} names no Minari dataset; names are like cartpole/prefrontal-v0"
        ) from error
    if name in minari.list_local_datasets():
        raise ConfigError(f"there is a Minari dataset {name!r} already; take another name")
    return minari


def _play(env: gymnasium.Env[Any, Any], player: Any, seed: int) -> None:
    """Play one episode."""
    observation, info = env.reset(seed=seed)
    state, over = None, False
    while not over:
        masks = {"action_masks": info["action_mask"]} if "action_mask" in info else {}
        action, state = player.predict(observation, state, **masks)
        observation, _, ended, cut, info = env.step(action)
        over = ended or cut


class _Kept(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment, and all that happens in it."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._starts: list[tuple[int | None, Any]] = []
        self._steps: list[list[tuple[Any, ...]]] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._starts.append((seed, copy.deepcopy(observation)))
        self._steps.append([])
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step."""
        observation, reward, ended, cut, info = self.env.step(action)
        kept = copy.deepcopy((action, observation, float(reward), bool(ended), bool(cut)))
        self._steps[-1].append(kept)
        return observation, reward, ended, cut, info

    def episodes(self) -> Iterator[dict[str, Any]]:
        """Yield what a buffer of Minari's holds of each episode."""
        for number, ((seed, start), steps) in enumerate(
            zip(self._starts, self._steps, strict=True)
        ):
            actions, observations, rewards, ended, cut = zip(*steps, strict=True)
            yield {
                "id": number,
                "seed": seed,
                "observations": _columns(self.env.observation_space, [start, *observations]),
                "actions": _columns(self.env.action_space, list(actions)),
                "rewards": list(rewards),
                "terminations": list(ended),
                "truncations": list(cut),
            }


def _columns(space: Any, values: list[Any]) -> Any:
    """Return values of a space as Minari keeps them: a list for each part of a Dict or Tuple."""
    if isinstance(space, spaces.Dict):
        named = space.spaces.items()
        return {key: _columns(part, [one[key] for one in values]) for key, part in named}
    if isinstance(space, spaces.Tuple):
        numbered = enumerate(space.spaces)
        return tuple(_columns(part, [one[index] for one in values]) for index, part in numbered)
    return values


def _is_data(spec: Any) -> bool:
    """Return whether the specification of an environment can be kept in a file."""
    try:
        return spec is not None and bool(spec.to_json())
    except ValueError:  # a class that no file can name
        return False
