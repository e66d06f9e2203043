"""An agent's record as a table: the same as what is read from a file of people's choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.behaviour.table import Behaviour, behaviour


def of_record(
    record: Mapping[str, NDArray[Any]],
    *,
    subjects: str = "member",
    second_choices: bool = False,
    arms: int | None = None,
    common: float | None = None,
    mapping: tuple[int, ...] | None = None,
) -> Behaviour:
    """Return what agents did, as `Population.record` or an evaluation gives it.

    Args:
        record: ``action`` and ``reward`` ``[M, E, T]``, and where a trial has several steps
            ``trial``; of two-step tasks also ``first_action`` and ``second_state``.
        subjects: ``member``: each is a subject, its episodes are sessions; ``episode``: each
            episode of each member is a subject.
        second_choices: Whether the actions at the second stage are choices, to be scored.
        arms: Number of arms; None: from policies, or from the choices.
        common: Probability of the common transition.
        mapping: Second-stage state that each first choice commonly leads to; None: not told. Probes
            of two-step tasks need it: ``(0, 1)`` in those of ours.

    Raises:
        ValueError: The record has no actions and rewards, or `subjects` is neither.
    """
    if subjects not in ("member", "episode"):
        raise ValueError(f"subjects must be member or episode, not {subjects!r}")
    if not {"action", "reward"} <= set(record):
        raise ValueError(
            "a record has action and reward [M, E, T]; this one has " + ", ".join(record)
        )
    members, episodes, steps = record["action"].shape
    trial = record.get("trial")
    count = steps if trial is None else int(trial.max()) + 1

    def by_trial(name: str) -> NDArray[Any]:
        """Return ``[M, E, N, steps of a trial]``."""
        return np.asarray(record[name]).reshape(members, episodes, count, -1)

    action, more = by_trial("action"), {}
    first = by_trial("first_action")[..., -1] if "first_action" in record else action[..., 0]
    if "second_state" in record:
        more["state2"] = by_trial("second_state")[..., -1]
    if action.shape[-1] > 1:
        more["choice2"] = action[..., -1]
    size = (members * episodes, count) if subjects == "episode" else (members, episodes * count)
    session = np.broadcast_to(np.arange(episodes)[:, None], (members, episodes, count))
    session = np.zeros(size, np.int64) if subjects == "episode" else session.reshape(size)
    names = [f"member {m}" for m in range(members)]
    if subjects == "episode":
        names = [f"{name}, episode {e}" for name in names for e in range(episodes)]
    if arms is None and "policy" in record:
        arms = record["policy"].shape[-1]
    codes = {name: value.reshape(size).astype(np.int64) for name, value in more.items()}
    if "choice2" in codes and not second_choices:
        codes["scored2"] = np.zeros(size, bool)
    if mapping is not None:
        codes["mapping"] = np.tile(np.asarray(mapping, np.int64), (len(names), 1))
    reward = by_trial("reward").sum(axis=-1).reshape(size)
    chosen = first.reshape(size).astype(np.int64)
    return behaviour(
        chosen, reward, arms, names, session=session, block=session, common=common, **codes
    )
