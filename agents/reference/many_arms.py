"""The exact optimum of a few pulls of many arms, all alike.

Arms with independent U[0, 1] probabilities are exchangeable, so that only the *multiset* of the
wins and losses of the arms that were tried counts: a few thousand of them for ten pulls, whatever
the number of arms. They grow too fast for a hundred pulls.
"""

from __future__ import annotations

from functools import cache

MOST_PULLS = 14


def few_pulls_value(arms: int, pulls: int) -> float:
    """Return the largest expected total reward of so many pulls of U[0, 1] Bernoulli arms.

    Exact and undiscounted, by dynamic programming over multisets of (wins w, losses l):

        V_n(s) = max_i p_i (1 + V_{n-1}(s, w_i + 1)) + (1 - p_i) V_{n-1}(s, l_i + 1),

    with p = (w + 1) / (w + l + 2).

    Raises:
        ValueError: If there are no arms, or the pulls are not 1 to `MOST_PULLS`.
    """
    if arms < 1 or not 1 <= pulls <= MOST_PULLS:
        raise ValueError(
            f"arms must be at least 1 and pulls 1 to {MOST_PULLS}, not {arms} and {pulls}"
        )

    @cache
    def value(tried: tuple[tuple[int, int], ...], left: int) -> float:
        """Value of `left` pulls after these wins and losses, sorted, of the arms tried."""
        if not left:
            return 0.0
        new = [(0, 0)] if len(tried) < arms else []
        pulled = []
        for wins, losses in {*tried, *new}:
            others = list(tried)
            if wins + losses:
                others.remove((wins, losses))
            p = (wins + 1) / (wins + losses + 2)
            won = value(tuple(sorted([*others, (wins + 1, losses)])), left - 1)
            lost = value(tuple(sorted([*others, (wins, losses + 1)])), left - 1)
            pulled.append(p * (1 + won) + (1 - p) * lost)
        return max(pulled)

    return value((), pulls)
