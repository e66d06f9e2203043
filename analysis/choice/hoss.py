"""A higher-order state space: an observer who infers what is there, and whether anything is.

Fleming (2020), Awareness as inference in a higher-order state space, Neuroscience of Consciousness
2020(1):niz020. The published code has two flaws, which are not repeated here: its covariance is
diag(1 / sqrt(gamma)) for what it calls the precision gamma (a precision's is 1 / gamma), and its
prior of the world state is the mean over both states of awareness, which is right only if both are
equally likely. Results for other precisions than 1 and other priors than .5 therefore differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import number, numbers

Array = NDArray[np.float64]


class Inference(NamedTuple):
    """What `HigherOrderObserver.infer` believes, and how far from what it expected.

    Attributes:
        world: Probability of nothing, left and right ``[..., 3]``.
        aware: Probability that something is there ``[...]``.
        surprise_world: Kullback-Leibler divergence of `world` from its prior ``[...]``, nats.
        surprise_aware: The same of `aware` ``[...]``.
    """

    world: Array
    aware: Array
    surprise_world: Array
    surprise_aware: Array


@dataclass(frozen=True)
class HigherOrderObserver:
    """Infers the world state W (nothing, left, right) and the awareness A that gates it.

    Where A is 0, W is nothing; where it is 1, left or right, equally likely. The sensory sample is
    normal around the mean of W. Discrimination compares left with right; detection reads A, so an
    observer can tell sides apart and yet believe that it saw nothing ("blindsight").

    Args:
        strength: Of a stimulus: left is sensed around (strength, .5), right around (.5, strength),
            nothing around (.5, .5).
        precision: Of the sample, one over its variance.
        prior_aware: Prior probability that something is there.
    """

    strength: float = 3.5
    precision: float = 1.0
    prior_aware: float = 0.5

    def __post_init__(self) -> None:
        """Check the parameters."""
        number("strength", self.strength)
        number("precision", self.precision, 0.0)
        number("prior_aware", self.prior_aware, 0.0, 1.0)

    def infer(self, sample: ArrayLike) -> Inference:
        """Return the posterior of both levels, given samples ``[..., 2]``.

        Raises:
            ValueError: If a sample is not two finite numbers.
        """
        seen = numbers("sample", sample, axes=("trial", "axis"), complete=True)
        if seen.shape[-1:] != (2,):
            raise ValueError(f"sample must be [..., 2], got {seen.shape}")
        s, gate = self.strength, min(max(self.prior_aware, 0.0), 1.0)
        prior = np.array([1 - gate, gate / 2, gate / 2])
        # log likelihood less that of nothing: the axis of left tells it from nothing, and so right
        sides = self.precision * (s - 0.5) * (seen - (s + 0.5) / 2)
        with np.errstate(divide="ignore"):  # log 0: what cannot be stays at 0
            joint = np.concatenate([np.zeros_like(sides[..., :1]), sides], axis=-1) + np.log(prior)
        world = np.exp(joint - joint.max(axis=-1, keepdims=True))
        world /= world.sum(axis=-1, keepdims=True)
        aware = world[..., 1] + world[..., 2]
        levels = np.stack([world[..., 0], aware], axis=-1)
        return Inference(
            world, aware, _divergence(world, prior), _divergence(levels, [1 - gate, gate])
        )


def _divergence(posterior: Array, prior: ArrayLike) -> Array:
    """Return the Kullback-Leibler divergence over the last axis, nats."""
    from scipy.special import rel_entr

    return np.asarray(rel_entr(posterior, prior).sum(axis=-1))
