"""Whether what the facts of a task say of rewards is what its steps pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from prefrontal.checks.distributions import drawn
from prefrontal.envs.task import Task

STEPS = 40  # steps of an episode that are looked at


def expectation_problems(task: Task, count: int = 1000) -> Iterator[str]:
    """Yield where facts of the reward are not what is paid.

    Only of trials of one step, where `expected_reward` is that of the step: what is paid beyond it
    must be 0 on average, whatever it is and whatever the action, within 5 standard errors over
    `count` episodes.
    """
    where, generator = f"{type(task).__name__}.facts", torch.Generator().manual_seed(11)
    params = drawn(task, count, seed=3)
    (state, _), seen, lacking = task.reset(params), [], []
    for _ in range(min(task.steps, STEPS)):
        action = torch.randint(task.num_actions, (count,), generator=generator)
        facts = task.facts(params, state, action)
        best, most = facts["optimal_action"], facts["optimal_reward"]
        every = [torch.full_like(action, one) for one in range(task.num_actions)]
        worth = torch.stack([task.facts(params, state, one)["expected_reward"] for one in every])
        own = worth.gather(0, best[None])[0]
        lacking.append((own - most).abs() > 1e-4)
        noise = torch.rand(task.noise, count, generator=generator)
        state, _, reward = task.step(params, state, action, noise)
        paid = facts["expected_reward"], reward
        seen.append((facts["trial"], action, *paid, own, worth.amax(0), most))
    kept = [one for t, one in enumerate(seen) if _one_step(seen, t)]
    if not kept:
        return
    for t, (*_, own, best, most) in enumerate(kept):
        wrong = torch.minimum((own - most).abs(), (best - most).abs()) > 1e-4
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            yield (
                f"{where}: 'optimal_reward' is {most[row]:.4g} at trial {t}, where "
                f"'expected_reward' of the best action is {best[row]:.4g}: they must be equal"
            )
            return
    # Some optimal actions are taken to learn something, but not all.
    if min(float(one.float().mean()) for one in lacking) > 0.5:
        yield f"{where}: 'expected_reward' of the 'optimal_action' is below 'optimal_reward'"
        return
    action, expected, reward = (torch.stack([one[i] for one in kept]) for i in (1, 2, 3))
    beyond = (reward - expected).double()
    low, high = task.reward_range
    for what, weight in (
        *((f"action {a}", (action == a).double()) for a in range(task.num_actions)),
        ("the better actions", expected.double() - expected.min()),
        ("the worse actions", expected.max() - expected.double()),
    ):
        parts = (beyond * weight).sum(
            0
        )  # one number an episode: what is in them is not independent
        scale = float(weight.abs().max()) * (high - low)
        if abs(parts.mean()) > 5.0 * parts.std() / count**0.5 + 5.0 * scale / count + 1e-4:
            share = float((beyond * weight).sum() / weight.sum())
            yield (
                f"{where}: 'expected_reward' of {what} is {abs(share):.3g} too "
                f"{'low' if share > 0 else 'high'} on average: it must be the mean of the reward "
                "that step pays"
            )
            return


def _one_step(seen: Sequence[tuple[Tensor, ...]], t: int) -> bool:
    """Return whether a trial begins and ends with step `t` in every row, as is known by now."""
    trials = [one[0] for one in seen]
    begins = t == 0 or (t > 0 and bool((trials[t] != trials[t - 1]).all()))
    return begins and t + 1 < len(trials) and bool((trials[t + 1] != trials[t]).all())
