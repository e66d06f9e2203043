"""What the learning curves of a run tell of failures, and which settings to try."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

HEAD, TAIL = 0.02, 0.1  # shares of the curve averaged at its start and end
RISEN = 0.05  # rise of the return that counts, in units of the largest |return| of any member
SLIGHT = 0.01  # the same where the first reports, of a long run, come after the start
UNDECIDED, DECIDED = 0.95, 0.1  # entropy, in units of ln K
BEGUN = 0.5  # entropy of the most undecided member below which they may come after it
BEHIND = 0.75  # share of the best member's gain below which a member has learned half a rule
ADVICE = (
    "never left the plateau at chance (entropy is still that of a coin): try more updates of fewer "
    "episodes (--num-envs 16, more --total-steps), a smaller --discount, --input-gain 3",
    "settled on one way of acting before it learned anything (no entropy left, return as at the "
    "start): try a larger --entropy-coef (x 3) or a smaller --learning-rate (/ 2)",
    "learned half a rule (return stands still well below the best member's, hardly any entropy "
    "left): try --input-gain 3, a larger --entropy-coef, or --critic privileged --passes 4",
)


def diagnose(
    entropy: ArrayLike, returns: ArrayLike, num_actions: int, chance: float | None = None
) -> list[str]:
    """Read signatures of failure off the curves of a run.

    - Undecided: entropy near ln K at the end, and a return not above that of the start (of the
      lowest member): never left the plateau at chance.
    - Collapsed: entropy near 0 and a return not above that of the start: one action is always
      taken.
    - Half a rule: the return rose and then stood still well below the best member's, with little
      entropy left: the member follows a rule that is right on some tasks only. One member alone
      cannot be told from one that has learned all.

    Args:
        entropy: Mean entropy of the policy by report and member ``[U, M]``, nats.
        returns: Mean return of an episode ``[U, M]``.
        num_actions: Number of actions K.
        chance: Return of an episode of random actions, if it is known.

    Returns:
        One sentence for each signature found: members, and settings to try; empty if all is well,
        and where there is only one action.

    Raises:
        ValueError: The curves differ in shape, are empty, or are not ``[U, M]``.
    """
    if num_actions == 1:
        return []
    h, g = np.asarray(entropy, dtype=np.float64), np.asarray(returns, dtype=np.float64)
    if h.shape != g.shape or h.ndim != 2 or not h.size:
        raise ValueError(
            f"entropy and returns must both be [U, M] and not empty, got {h.shape}, {g.shape}"
        )
    head, tail = max(1, round(HEAD * len(h))), max(1, round(TAIL * len(h)))
    # Members start alike: the lowest start is chance, also for those that left it early
    start = float(g[:head].mean(axis=0).min())
    gain = g[-tail:].mean(axis=0) - (start if chance is None else min(start, chance))
    coin = math.log(max(num_actions, 2))
    shown = chance is not None or h[:head].mean(axis=0).max() > BEGUN * coin
    left = h[-tail:].mean(axis=0) / coin
    scale = max(float(np.abs(g).max()), 1e-12)
    risen = gain > (RISEN if shown else SLIGHT) * scale
    # A curve that still rises may yet arrive: compare the last two quarters.
    quarter = max(1, len(g) // 4)
    late = g[-2 * quarter : max(1, len(g) - quarter)].mean(axis=0)
    later = g[-quarter:].mean(axis=0)
    stands = later - late < RISEN * scale
    undecided = ~risen & (left > UNDECIDED)
    collapsed = ~risen & (left < DECIDED)
    half_rule = shown & risen & stands & (left < 0.5) & (gain < BEHIND * gain.max())
    found = zip((undecided, collapsed, half_rule), ADVICE, strict=True)
    return [f"{_members(which)} {advice}" for which, advice in found if which.any()]


def _members(which: np.ndarray) -> str:
    """Return names such as "member 3", "members 1, 2" or "all members"."""
    if which.all() and len(which) > 1:
        return "all members"
    named = ", ".join(map(str, np.flatnonzero(which)))
    return f"member {named}" if which.sum() == 1 else f"members {named}"
