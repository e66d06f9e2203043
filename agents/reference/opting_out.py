"""The exact optimum of two dependent arms where a third action pays for certain."""

from __future__ import annotations

import numpy as np


def opt_out_optimal_reward(safe: float, trials: int = 100) -> float:
    """Return the largest expected reward of an episode where a third action pays for certain.

    The arms are p ~ U[0, 1] and 1 - p. Opting out says nothing of them, so with m pulls left after
    n, of which x speak for arm 1, and q = (x + 1) / (n + 2),

        V_m(n, x) = max(safe + V_{m-1}(n, x),
                        max(q, 1 - q) + q V_{m-1}(n + 1, x + 1) + (1 - q) V_{m-1}(n + 1, x)).

    Args:
        safe: What opting out pays.
        trials: Number of trials.

    Raises:
        ValueError: If `safe` is outside [0, 1] or there is no trial.
    """
    if not 0.0 <= safe <= 1.0 or trials < 1:
        raise ValueError(f"safe must be in [0, 1] with trials >= 1, not {safe} and {trials}")
    n, x = np.indices((trials + 1, trials + 1))
    q = (x + 1.0) / (n + 2.0)
    value = np.zeros((trials + 1, trials + 1))
    for pulls in range(trials, 0, -1):  # so many can have been made, and one more
        now, later = value[:pulls, :pulls], value[1 : pulls + 1, : pulls + 1]
        p = q[:pulls, :pulls]
        pull = np.maximum(p, 1.0 - p) + p * later[:, 1:] + (1.0 - p) * later[:, :-1]
        value = np.maximum(safe + now, pull)
    return float(value[0, 0])
