"""Episodes of a task, played to see whether it keeps the promises of `prefrontal.envs.Task`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.checks.calls import Wrong, called, copied, on_its_device, pure, said, same, shaped
from prefrontal.checks.distributions import drawn
from prefrontal.checks.telling import told_problems
from prefrontal.envs.task import Params, Task

ROWS = 16  # episodes side by side
CLOSELY = 8  # steps that are looked at closely, with every method called twice
STEPS = 40  # steps of an episode that are compared
Trace = list[tuple[Tensor, Tensor, dict[str, Tensor]]]


@dataclasses.dataclass
class Played:
    """One episode of a batch, with all that is needed to play it again.

    Attributes:
        params: Its task parameters.
        noise: ``[T, noise, n]``.
        actions: Of every step, ``[n]`` or ``[n, A]``.
        states: Before every step, and after the last.
    """

    params: Params
    noise: Tensor
    actions: list[Tensor] = dataclasses.field(default_factory=list)
    states: list[Any] = dataclasses.field(default_factory=list)


def played(task: Task, seed: int = 0, closely: int = CLOSELY, most: int | None = None) -> Played:
    """Play an episode, and check everything that the task returns.

    Half of the rows take random actions, the others the optimal ones.

    Raises:
        Wrong: Something that it returns is not as it must be.
    """
    name, generator = type(task).__name__, torch.Generator().manual_seed(seed)
    steps = task.steps if most is None else min(most, task.steps)
    noise = torch.rand(steps, task.noise, ROWS, generator=generator)
    episode = Played(drawn(task, ROWS, seed=seed), noise)
    state, observation = _begun(task, episode.params, closely > 0)
    seen = task.privileged
    size, trial = None, torch.zeros(ROWS, dtype=torch.int64)
    for t in range(steps):
        near = t < closely or (closely > 0 and t == steps - 1)
        episode.states.append(state)
        call = _call(task, near)
        features = call(f"{name}.privileged", seen, episode.params, state)
        size = _check_privileged(name, features, size)
        action = _action(task, episode.params, state, generator, call)
        episode.actions.append(action)
        facts = call(f"{name}.facts", task.facts, episode.params, state, action)
        check_facts(task, facts)
        if bool((facts["trial"] < trial).any()):
            raise Wrong(f"{name}.facts: 'trial' goes down at step {t}: it must count the trials")
        _check_trial_start(task, episode.params, state, (facts["trial"] != trial) | (t == 0), call)
        trial = facts["trial"]
        hint = f" (noise = {task.noise}: as many rows)"
        given = (episode.params, state, action, noise[t])
        made = call(f"{name}.step", task.step, *given, hint=hint)
        state, observation, reward = _stepped(made, name, state["t"])
        _check_shown(task, f"{name}.step", observation)
        _check_reward(task, reward)
    episode.states.append(state)
    features = called(
        f"{name}.privileged", seen, episode.params, state, hint=" after the last step"
    )
    _check_privileged(name, features, size)
    return episode


def _call(task: Task, near: bool) -> Any:
    if near:
        return lambda where, function, *given, hint="": pure(
            where, task, function, *given, hint=hint
        )
    return called


def _begun(task: Task, params: Params, near: bool) -> tuple[Any, Tensor]:
    """Start an episode, and check what `reset` returns."""
    where = f"{type(task).__name__}.reset"
    made = _call(task, near)(where, task.reset, params)
    if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[0], dict):
        raise Wrong(
            f"{where} must return (state, observation), the state a dict, not {_kind(made)}"
        )
    time = made[0].get("t")
    if time != 0 or not isinstance(time, int):
        raise Wrong(f'{where}: state["t"] must be 0 (a Python int), not {time!r:.60}')
    _check_shown(task, where, made[1])
    return made


def _stepped(made: Any, name: str, before: int) -> tuple[Any, Tensor, Tensor]:
    """Check what `step` returns, but for its numbers."""
    if not isinstance(made, tuple) or len(made) != 3 or not isinstance(made[0], dict):
        raise Wrong(f"{name}.step must return (state, observation, reward), not {_kind(made)}")
    time = made[0].get("t")
    if time != before + 1 or not isinstance(time, int):
        raise Wrong(
            f'{name}.step: state["t"] must go up by one (a Python int): {before + 1} after '
            f"{before}, not {time!r:.60}"
        )
    return made


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(one).__name__ for one in value)})"
    return type(value).__name__


def _check_shown(task: Task, where: str, observation: Any) -> None:
    low, high = (torch.tensor(x) for x in (task.observation_low, task.observation_high))
    if wrong := shaped(observation, (ROWS, len(low))):
        size = "" if "finite" in wrong else f"; observation_low has {len(low)} features"
        raise Wrong(f"{where}: the observation {wrong}{size}")
    outside = (observation < low - 1e-5) | (observation > high + 1e-5)
    if bool(outside.any()):
        row, feature = outside.nonzero()[0].tolist()
        raise Wrong(
            f"{where}: feature {feature} of the observation is {observation[row, feature]:.4g}, "
            f"outside of observation_low and observation_high, {low[feature]:.4g} to "
            f"{high[feature]:.4g}"
        )


def _check_reward(task: Task, reward: Any) -> None:
    where = f"{type(task).__name__}.step: the reward"
    if wrong := shaped(reward, (ROWS,)):
        raise Wrong(f"{where} {wrong}")
    low, high = task.reward_range
    outside = reward[(reward < low - 1e-5) | (reward > high + 1e-5)]
    if len(outside):
        raise Wrong(f"{where} is {outside[0]:.4g}, outside of reward_range, {low:g} to {high:g}")
    values = task.reward_values
    if values is not None:
        others = reward[~torch.isin(reward, torch.tensor(values, dtype=torch.float32))]
        if len(others):
            raise Wrong(f"{where} is {others[0]:.6g}, which is not in reward_values, {values}")


def _check_trial_start(task: Task, params: Params, state: Any, changed: Tensor, call: Any) -> None:
    """Check that trials start where `trial` of the facts is another, if the task says it."""
    where, t = f"{type(task).__name__}.trial_start", state["t"]
    if type(task).trial_start is Task.trial_start:
        try:
            starts = task.trial_start(params, state)
        except ValueError:  # it does not say
            return
    else:
        starts = call(where, task.trial_start, params, state)
    if not isinstance(starts, bool):
        if wrong := shaped(starts, (ROWS,), torch.bool):
            raise Wrong(f"{where} {wrong} (or True or False)")
        starts = starts.to(changed.device)
    if bool((changed != starts).any()):
        says, does = (
            ("True", "not another") if bool((changed < starts).any()) else ("False", "another")
        )
        raise Wrong(
            f"{where} is {says} at step {t}, where 'trial' of the facts is {does}: it must be True "
            "at the first step of every trial, and there alone"
        )


def _check_privileged(name: str, features: Any, size: int | None) -> int:
    where = f"{name}.privileged"
    if size is None:
        if not isinstance(features, Tensor) or features.dim() != 2:
            raise Wrong(f"{where} must return a float32 tensor [n, K], not {_kind(features)}")
        size = int(features.shape[1])
    if wrong := shaped(features, (ROWS, size)):
        raise Wrong(f"{where} {wrong}")
    return size


def _action(
    task: Task, params: Params, state: Any, generator: torch.Generator, call: Any
) -> Tensor:
    """Return actions: random ones and, where there are facts of them, the optimal ones."""
    name, count = type(task).__name__, task.num_actions
    if not count:
        space: Any = task.action_space
        unit = torch.rand(ROWS, *space.shape, generator=generator)
        low, high = (torch.from_numpy(x).clamp(-10.0, 10.0) for x in (space.low, space.high))
        return low + unit * (high - low)
    action = torch.randint(count, (ROWS,), generator=generator)
    facts = call(f"{name}.facts", task.facts, params, state, action)
    check_facts(task, facts)
    best = facts["optimal_action"]
    return torch.where(torch.arange(ROWS) < ROWS // 2, action, best)


def check_facts(task: Task, facts: Any) -> None:
    """Check names, shapes and values of the facts of a step.

    Raises:
        Wrong: Some are missing or wrong.
    """
    where = f"{type(task).__name__}.facts"
    kinds = {"trial": torch.int64}
    if task.num_actions:
        kinds |= {"optimal_action": torch.int64}
        kinds |= dict.fromkeys(("expected_reward", "optimal_reward"), torch.float32)
    if not isinstance(facts, dict):
        raise Wrong(f"{where} must return a dict of tensors, not {_kind(facts)}")
    if missing := [name for name in kinds if name not in facts]:
        raise Wrong(f"{where} lacks {', '.join(missing)}")
    for name, value in facts.items():
        if name in kinds and (wrong := shaped(value, (ROWS,), kinds[name])):
            raise Wrong(f"{where}: {name!r} {wrong}")
        if not (isinstance(value, Tensor) and value.dim() > 0 and len(value) == ROWS):
            raise Wrong(f"{where}: {name!r} must be a tensor [n, ...], not {_kind(value)}")
    if task.num_actions:
        best = facts["optimal_action"]
        if bool(((best < 0) | (best >= task.num_actions)).any()):
            raise Wrong(
                f"{where}: 'optimal_action' must be 0 to {task.num_actions - 1}, not "
                f"{best.min() if best.min() < 0 else best.max()}"
            )


def trace(
    task: Task, params: Params, noise: Tensor, actions: list[Tensor], state: Any = None
) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
    """Yield copies of observation, reward and facts of each step, from a state or the start."""
    if state is None:
        state, _ = task.reset(params)
    for action, numbers in zip(actions, noise, strict=False):
        facts = task.facts(params, state, action)
        state, observation, reward = task.step(params, state, action, numbers)
        yield copied((observation, reward, facts))


def history_problems(task: Task, episode: Played) -> Iterator[str]:
    """Yield what shows when the same episode is played again in other company.

    Beside another batch, alone, from a copy, with other noise, with other actions.
    """
    name, few = type(task).__name__, slice(0, STEPS)
    noise, actions = episode.noise[few], episode.actions[few]
    alone = called(name, list, trace(task, episode.params, noise, actions))
    other = drawn(task, ROWS, seed=7)
    one = trace(task, episode.params, noise, actions)
    two = trace(task, other, 1.0 - noise - 1e-7, actions[::-1])
    if not same([a for a, _ in zip(one, two, strict=True)], alone, 1e-6):
        yield (
            f"{name} keeps state outside of what it returns: an episode goes on otherwise when "
            "another is played beside it"
        )
        return
    for row in (0, ROWS - 1):
        part = slice(row, row + 1)
        params = {key: value[part].clone() for key, value in episode.params.items()}
        acts = [action[part] for action in actions]
        single = called(
            f"{name} with a single episode", list, trace(task, params, noise[..., part], acts)
        )
        if difference := _differs(single, _part(alone, part)):
            yield f"{name}: rows of a batch leak into each other: alone, {difference}"
            return
    yield from _copy_problems(task, episode)
    yield from _noise_problems(task, episode)
    if task.open_loop:
        yield from _open_problems(task, episode, alone)
    if len(episode.actions) == task.steps and task.num_actions:
        yield from told_problems(task, episode.params, episode.noise, episode.actions)


def _part(whole: Trace, rows: slice) -> Trace:
    return [
        (observation[rows], reward[rows], {name: value[rows] for name, value in facts.items()})
        for observation, reward, facts in whole
    ]


def _differs(one: Trace, other: Trace) -> str:
    """Return what differs first between two traces, or ""."""
    for t, (a, b) in enumerate(zip(one, other, strict=True)):
        for what, x, y in zip(("the observation", "the reward", "facts"), a, b, strict=True):
            if not same(x, y, 1e-4):
                return f"{what} differs at step {t}"
    return ""


def _copy_problems(task: Task, episode: Played) -> Iterator[str]:
    """Yield how copies of a task and of a running episode go on otherwise."""
    name, middle = type(task).__name__, len(episode.actions) // 2
    few = slice(middle, middle + STEPS)
    rest = (episode.noise[few], episode.actions[few])
    whole = (task, episode.params, episode.states[middle])
    future = list(trace(task, episode.params, *rest, episode.states[middle]))
    for how, make in (
        ("pickle", lambda: pickle.loads(pickle.dumps(whole))),
        ("copy.deepcopy", lambda: copy.deepcopy(whole)),
        ("dataclasses.replace", lambda: (dataclasses.replace(task), *whole[1:])),
    ):
        try:
            other, params, state = make()
        except Exception as error:
            yield f"{name} cannot be copied by {how}: {said(error)}"
            continue
        if other != task:
            yield f"{name}: a copy by {how} is not equal to it: keep parameters in fields alone"
        elif not same(called(name, list, trace(other, params, *rest, state)), future):
            yield f"{name}: a copy by {how} in the middle of an episode goes on otherwise"


def _noise_problems(task: Task, episode: Played) -> Iterator[str]:
    """Yield rows of noise that are never used."""
    fresh = torch.rand(episode.noise.shape, generator=torch.Generator().manual_seed(9))
    before = list(trace(task, episode.params, episode.noise, episode.actions))
    for row in range(task.noise):
        noise = episode.noise.clone()
        noise[:, row] = fresh[:, row]
        if same(list(trace(task, episode.params, noise, episode.actions)), before):
            yield (
                f"{type(task).__name__}.step never uses row {row} of the noise: noise = "
                f"{task.noise} is too many"
            )


def _open_problems(task: Task, episode: Played, before: Trace) -> Iterator[str]:
    """Yield how actions show in what is seen later, where the task says that they do not."""
    count = task.num_actions
    others = [(action + 1) % count for action in episode.actions[:STEPS]]
    after = list(trace(task, episode.params, episode.noise, others))
    for t, (a, b) in enumerate(zip(before, after, strict=True)):
        shown = np.array_equal(a[0].numpy(), b[0].numpy())
        if not shown or not same(a[2]["optimal_action"], b[2]["optimal_action"]):
            what = "optimal_action" if shown else "the observation"
            yield (
                f"{type(task).__name__}.open_loop is True, but {what} at step {t} depends on "
                "earlier actions: leave open_loop out"
            )
            return


def device_problems(task: Task, episode: Played) -> None:
    """Hold every method to the device of its arguments.

    Raises:
        Wrong: A method makes tensors elsewhere.
    """
    name, (params, state) = type(task).__name__, (episode.params, episode.states[0])
    action = episode.actions[0]
    on_its_device(f"{name}.reset", task.reset, params)
    on_its_device(f"{name}.facts", task.facts, params, state, action)
    on_its_device(f"{name}.step", task.step, params, state, action, episode.noise[0])
    on_its_device(f"{name}.privileged", task.privileged, params, state)
