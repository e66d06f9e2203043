"""A checker for vector environments: ours and those of users."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, VectorEnv

Vector = VectorEnv[Any, Any, Any]
MakeVector = Callable[..., Vector]
MakeSingle = Callable[[], gymnasium.Env[Any, Any]]
Step = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


def check_vector_env(
    make: str | MakeVector,
    *,
    single: MakeSingle | None = None,
    num_envs: int = 4,
    steps: int = 250,
    episodes: int = 200,
    seed: int = 0,
) -> None:
    """Check that a vector environment keeps the promises of Gymnasium, and some more.

    Checked: batched spaces match the single ones, and contain what is returned; types and shapes;
    the same seed gives the same episodes; returned arrays are not overwritten later; autoreset is
    as ``metadata["autoreset_mode"]`` says; what happens in a row does not depend on the actions in
    other rows (until a row resets, where rows end at different times); a member's rows do not
    depend on the other members (if ``make`` has an argument ``members``); the single environment
    has the same distribution of returns and lengths.

    Args:
        make: An id, or ``make(num_envs)``. If it has an argument ``members`` (as ours have), it is
            also called as ``make(num_envs, members=[...])``.
        single: Makes the single environment; by default ``gymnasium.make`` if ``make`` is an id.
            Without one, that comparison is left out.
        num_envs: Rows, at least 2.
        steps: Steps of each run; should cover more than two episodes.
        episodes: Episodes of each face for the comparison of distributions (0: leave it out).
        seed: Seed of everything.

    Raises:
        AssertionError: A promise is broken; the message says which.
        ValueError: The environment cannot be checked.
    """
    if num_envs < 2:
        raise ValueError(
            f"num_envs must be at least 2 to check a vector environment; got {num_envs}"
        )
    make_vector, has_members = _maker(make)
    if isinstance(make, str) and single is None:
        single = functools.partial(gymnasium.make, make)
    env = make_vector(num_envs)
    if getattr(env.unwrapped, "tensors", False):
        raise ValueError("check_vector_env needs NumPy arrays: make it with tensors=False")
    mode = _check_spaces(env, num_envs)
    actions = _actions(env, steps, seed)
    first = _run(env, actions, seed, mode, check=True)
    _check_same(first, _run(env, actions, seed, mode), "the same seed, same environment")
    _check_same(first, _run(make_vector(num_envs), actions, seed, mode), "the same seed, made anew")
    _check_rows_independent(env, actions, first, seed, mode)
    env.close()
    if has_members:
        _check_members(make_vector, num_envs, steps, seed)
    if single is not None and episodes > 0:
        _check_distributions(make_vector, single, num_envs, episodes, seed)


def _maker(make: str | MakeVector) -> tuple[MakeVector, bool]:
    """Return a function that makes the environment, and whether it takes ``members``."""
    if isinstance(make, str):
        make_by_id = functools.partial(gymnasium.make_vec, make)
        env_class = type(make_by_id(2).unwrapped)
        return make_by_id, "members" in inspect.signature(env_class).parameters
    if not callable(make):
        raise ValueError(f"make must be an id or a function of num_envs; got {make!r}")
    return make, "members" in inspect.signature(make).parameters


def _check_spaces(env: Vector, num_envs: int) -> AutoresetMode:
    """Check the declarations; return the autoreset mode."""
    assert env.num_envs == num_envs, f"num_envs is {env.num_envs}, but {num_envs} were asked for"
    batch = gymnasium.vector.utils.batch_space
    for name in ("observation_space", "action_space"):
        batched, one = getattr(env, name), getattr(env, f"single_{name}")
        assert batched == batch(one, num_envs), (
            f"{name} is not single_{name} batched {num_envs} times"
        )
    mode = env.metadata.get("autoreset_mode")
    assert isinstance(mode, AutoresetMode), (
        f"metadata['autoreset_mode'] must be an AutoresetMode; got {mode!r}"
    )
    return mode


def _actions(env: Vector, steps: int, seed: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(steps)]


def _run(
    env: Vector, actions: list[Any], seed: int, mode: AutoresetMode, check: bool = False
) -> list[Step]:
    """Reset with a seed and take the actions; copies of all that was returned."""
    obs, info = env.reset(seed=seed)
    if check:
        assert obs in env.observation_space, "reset: the observation is not in observation_space"
        assert isinstance(info, dict), f"reset: info must be a dict; got {type(info).__name__}"
    n = env.num_envs
    nothing = np.zeros(n, dtype=bool)
    record: list[Step] = [deepcopy((obs, np.zeros(n), nothing, nothing, info))]
    ended = nothing
    for action in actions:
        if mode is AutoresetMode.DISABLED and ended.any():
            assert ended.all() or check is False, (
                "autoreset is disabled and rows end at different times: check it with SAME_STEP"
            )
            obs, info = env.reset()
            record.append(deepcopy((obs, np.zeros(n), nothing, nothing, info)))
        returned = env.step(action)
        if check:
            _check_step(env, returned, len(record))
            _check_autoreset(env, returned, ended, mode, len(record))
            assert data_equivalence(obs, record[-1][0], exact=True), (
                f"step {len(record)} changed the observation returned before it: return new arrays"
            )
        obs, _, terminated, truncated, _ = returned
        record.append(deepcopy(returned))
        ended = np.asarray(terminated) | np.asarray(truncated)
    return record


def _check_step(env: Vector, returned: Any, step: int) -> None:
    """Check types, shapes and spaces of one step."""
    assert isinstance(returned, tuple) and len(returned) == 5, (  # noqa: PT018
        f"step {step}: must return (observation, reward, terminated, truncated, info)"
    )
    obs, reward, terminated, truncated, info = returned
    assert obs in env.observation_space, f"step {step}: the observation is not in observation_space"
    for name, value, kinds in (
        ("reward", reward, "fiu"),
        ("terminated", terminated, "b"),
        ("truncated", truncated, "b"),
    ):
        good = isinstance(value, np.ndarray) and value.shape == (env.num_envs,)
        assert good, f"step {step}: {name} must be an array of shape ({env.num_envs},)"
        assert value.dtype.kind in kinds, f"step {step}: {name} has the type {value.dtype}"
    assert np.isfinite(reward).all(), f"step {step}: reward is not finite"
    assert isinstance(info, dict), f"step {step}: info must be a dict"


def _check_autoreset(
    env: Vector, returned: Step, ended: np.ndarray, mode: AutoresetMode, step: int
) -> None:
    """Check that ends of episodes look as the mode says. ``ended``: rows that ended just before."""
    _, reward, terminated, truncated, info = returned
    done = terminated | truncated
    if mode is AutoresetMode.SAME_STEP:
        mask = np.asarray(info.get("_final_obs", np.zeros(len(done), dtype=bool)))
        assert (mask == done).all(), (
            f"step {step}: SAME_STEP needs info['final_obs'] and info['_final_obs'] in ended rows"
        )
        for row in np.flatnonzero(done):
            assert info["final_obs"][row] in env.single_observation_space, (
                f"step {step}: final_obs of row {row} is not in single_observation_space"
            )
        return
    assert "final_obs" not in info, f"step {step}: final_obs belongs to SAME_STEP, not to {mode}"
    if mode is AutoresetMode.NEXT_STEP and ended.any():
        quiet = not done[ended].any() and not reward[ended].any()
        assert quiet, f"step {step}: with NEXT_STEP, the step after an end must only reset"


def _check_same(first: list[Step], second: list[Step], what: str) -> None:
    for step, (a, b) in enumerate(zip(first, second, strict=True)):
        names = ("observation", "reward", "terminated", "truncated", "info")
        for name, x, y in zip(names, a, b, strict=True):
            assert data_equivalence(x, y, exact=True), f"{what}: {name} differs at step {step}"


def _check_rows_independent(
    env: Vector, actions: list[Any], first: list[Step], seed: int, mode: AutoresetMode
) -> None:
    """Change the actions of all rows but 0: row 0 must not notice."""
    single = env.single_action_space
    single.seed(seed + 1)
    changed = []
    for action in actions:
        rows = list(gymnasium.vector.utils.iterate(env.action_space, action))
        rows[1:] = [single.sample() for _ in rows[1:]]
        out: Any = gymnasium.vector.utils.create_empty_array(single, env.num_envs)
        changed.append(gymnasium.vector.utils.concatenate(single, rows, out))
    second = _run(env, changed, seed, mode)
    for step, (a, b) in enumerate(zip(first, second, strict=False)):
        for name, x, y in zip(("reward", "terminated", "truncated"), a[1:4], b[1:4], strict=True):
            assert x[0] == y[0], f"{name} of row 0 at step {step} depends on actions in other rows"
        same = data_equivalence(_row(env, a[0]), _row(env, b[0]), exact=True)
        assert same, f"observation of row 0 at step {step} depends on actions in other rows"
        ends = [x[2] | x[3] for x in (a, b)]
        if any(end.any() and not end.all() for end in ends):
            return


def _row(env: Vector, observation: Any) -> Any:
    return next(iter(gymnasium.vector.utils.iterate(env.observation_space, observation)))


def _check_members(make: MakeVector, num_envs: int, steps: int, seed: int) -> None:
    """Check that a member alone sees what it sees beside another one."""
    alone, both = make(num_envs, members=[5]), make(2 * num_envs, members=[3, 5])
    actions = _actions(both, steps, seed)
    mode = both.metadata["autoreset_mode"]
    record = _run(both, actions, seed, mode)
    record_alone = _run(alone, [action[num_envs:] for action in actions], seed, mode)
    for step, (a, b) in enumerate(zip(record_alone, record, strict=False)):
        same = all(np.array_equal(x, y[num_envs:]) for x, y in zip(a[:4], b[:4], strict=True))
        assert same, f"what a member sees at step {step} depends on the members beside it"


def _check_distributions(
    make: MakeVector, single: MakeSingle, num_envs: int, episodes: int, seed: int
) -> None:
    """Compare mean return and length of random episodes; 5 standard errors are allowed."""
    faces = {
        "vector": _vector_episodes(make(num_envs), episodes, seed),
        "single": _single_episodes(single(), episodes, seed + 1),
    }
    for column, name in enumerate(("return", "length")):
        a, b = (np.asarray(face)[:, column] for face in faces.values())
        error = np.sqrt(a.var() / len(a) + b.var() / len(b))
        assert abs(a.mean() - b.mean()) <= 5.0 * error + 1e-6, (
            f"mean {name} of random episodes differs: vector {a.mean():.4g}, single {b.mean():.4g}"
        )


def _vector_episodes(env: Vector, episodes: int, seed: int) -> list[tuple[float, int]]:
    """Return (return, length) of random episodes, as many from each row (no length bias)."""
    each = -(-episodes // env.num_envs)
    results: list[list[tuple[float, int]]] = [[] for _ in range(env.num_envs)]
    total, length = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=int)
    env.reset(seed=seed)
    env.action_space.seed(seed)
    mode = env.metadata["autoreset_mode"]
    skip = np.zeros(env.num_envs, dtype=bool)
    while min(len(row) for row in results) < each:
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        total += np.where(skip, 0.0, reward)
        length += ~skip
        done = terminated | truncated
        for row in np.flatnonzero(done):
            results[row].append((float(total[row]), int(length[row])))
        total[done], length[done] = 0.0, 0
        skip = done & (mode is AutoresetMode.NEXT_STEP)
        if mode is AutoresetMode.DISABLED and done.any():
            env.reset()
    return [episode for row in results for episode in row[:each]]


def _single_episodes(
    env: gymnasium.Env[Any, Any], episodes: int, seed: int
) -> list[tuple[float, int]]:
    """Return (return, length) of random episodes of the single environment."""
    results = []
    env.action_space.seed(seed)
    for episode in range(episodes):
        env.reset(seed=seed if episode == 0 else None)
        total, length, done = 0.0, 0, False
        while not done:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, length, done = total + float(reward), length + 1, terminated or truncated
        results.append((total, length))
    return results
