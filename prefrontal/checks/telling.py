"""Whether what a task tells of episodes beforehand (`Task.outcomes`) is what happens in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from prefrontal.checks.calls import called, same, shaped
from prefrontal.envs.task import Params, Task


def told_problems(
    task: Task, params: Params, noise: Tensor, actions: Sequence[Tensor]
) -> Iterator[str]:
    """Yield at most one difference between what a task tells and what it does.

    Args:
        task: The task.
        params: Of n episodes.
        noise: Of all steps, ``[T, K, n]``.
        actions: Of all steps, ``[n]`` each.
    """
    name, (steps, _, n) = f"{type(task).__name__}.outcomes", noise.shape
    told = called(name, task.outcomes, params, noise)
    if told is None:
        return
    shown, width = told.observations, len(task.observation_low)
    by_action, places, each = shown.dim() == 4, 1, steps
    size = (steps, task.num_actions, width, n) if by_action else (steps, width, n)
    if told.following is not None:
        each, places = (1 if len(told.following) == 1 else steps), told.following.shape[1]
        size = each, places, width, n
    for what, value, right in (
        ("rewards", told.rewards, (each, places * task.num_actions, n)),
        ("observations", shown, size),
    ):
        if wrong := shaped(value, right):
            yield f"{name}: {what} {wrong}"
            return
    columns, chosen = torch.arange(n), torch.zeros(n, dtype=torch.int64)
    chosen = chosen if told.start is None else told.start
    states = told.visited(task, params, noise, torch.stack(list(actions)))
    critic = told.privileged(task, params, states)
    state, observation = task.reset(params)
    for t, action in enumerate(actions):
        at = t % each
        here = shown[at, chosen, :, columns] if by_action else shown[at].T
        facts = (task.facts(params, one, action) for one in (state, states[t]))
        seen = task.privileged(params, state), critic[t]
        choice, now = action, state
        if told.following is not None:
            choice = chosen * task.num_actions + action
        chosen = action if told.following is None else told.following[at, chosen, action]
        state, following, reward = task.step(params, state, action, noise[t])
        for what, (true, said) in {
            "the observation": (observation, here),
            "the reward": (reward, told.rewards[at, choice, columns]),
            "facts": facts,
            "what a critic sees": seen,
        }.items():
            if not same(true, said, 1e-6):
                yield (
                    f"{name} is not what happens: {what} at step {now['t']} differs from what it "
                    "tells (return None where states depend on what was done before)"
                )
                return
        observation = following
