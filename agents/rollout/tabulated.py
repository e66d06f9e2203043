"""Episodes of which all that can happen is told beforehand, played by one compiled call.

A vector environment that can tell has two methods (`prefrontal.envs.told.Told`): ``table()``, asked
right after ``reset``, and ``played(actions)``, which takes the place of all steps. A table has

| | |
|---|---|
| ``inputs`` | ``[T, I, n]``, 0 where they depend on actions |
| ``rewards`` | what each action would pay, ``[T, A, n]`` |
| ``shown`` | observations ``[T, A, D, n]`` that depend on the action before; None: there are none |
| ``following`` | where an episode can be in S places: the next one, ``[T, S, A]``, else None |
| ``start`` | the first place, ``[n]`` int64, or None |
| ``rows`` | the first row of each input by its name |
| ``scale``, ``shift`` | of the centred reward |
| ``values`` | the rewards that there are, if they are shown one-hot |

With places ``rewards`` are ``[T, S A, n]`` and ``shown`` ``[T, S, D, n]``, those of each place; the
first dimension of these and of ``following`` is 1 where all steps are alike.
Random numbers are drawn as for stepping, so that the episodes are the same ones.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def play(
    envs: Any, model: Any, tapes: Any, noise: Tensor | None, actions: Tensor, rewards: Tensor
) -> tuple[Tensor | None] | None:
    """Play the episode that begins now in every environment, if it can be told.

    Args:
        envs: Vector environment that has just been reset.
        model: The actor-critic; its `plays_tables` is true.
        tapes: Its tapes, begun.
        noise: For the choices, ``[P, T, K, B]``; None: the best ones are taken.
        actions: Is written, ``[T, P, B]``.
        rewards: Is written, ``[T, P, B]``.

    Returns:
        What a critic may see, ``[T, n, K]`` or None, in a tuple; None if nothing was played.
    """
    tells = getattr(type(envs), "table", None)  # a wrapper's is not that of what it wraps
    table = None if tells is None else envs.table()
    if table is None:
        return None
    model.play(tapes, table, noise, actions, rewards)
    return (envs.played(actions.flatten(1)),)
