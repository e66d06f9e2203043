"""Tasks that are open-loop: nothing that is shown or paid later depends on actions."""

from __future__ import annotations

import pytest
import torch

from prefrontal.envs import TASKS, task_class

OPEN = [name for name in TASKS if task_class(name).open_loop]


def test_some_are_open_and_some_are_not():
    assert {"TwoArmedBandit", "Harlow", "HarlowPairs"} <= set(OPEN)
    assert not {"TwoStep", "Foraging"} & set(OPEN)


@pytest.mark.parametrize("name", OPEN)
def test_actions_change_nothing_but_their_own_reward(name):
    task, n = task_class(name)(), 12
    g = torch.Generator().manual_seed(0)
    params = task.sample(n, "train", g)
    ones = [task.reset(params)] * 2
    for t in range(min(task.steps, 20)):
        noise = torch.rand(task.noise, n, generator=g)
        assert torch.equal(ones[0][1], ones[1][1]), f"observation {t}"
        actions = [torch.randint(task.num_actions, (n,), generator=g) for _ in range(2)]
        paid = []
        for state, _ in ones:  # what either action would pay, on either history
            every = [torch.full((n,), a) for a in range(task.num_actions)]
            paid.append(torch.stack([task.step(params, state, a, noise)[2] for a in every]))
        assert torch.equal(*paid), f"reward {t}"
        best = [
            task.facts(params, state, a)["optimal_action"]
            for (state, _), a in zip(ones, actions, strict=True)
        ]
        assert torch.equal(*best), f"best action {t}"
        ones = [
            task.step(params, state, a, noise)[:2]
            for (state, _), a in zip(ones, actions, strict=True)
        ]


@pytest.mark.parametrize("name", list(TASKS))
def test_what_lasts_is_a_parameter(name):
    task = task_class(name)
    assert set(task.lasting or ()) <= set(task.parameters)
