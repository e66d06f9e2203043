"""What actions an environment takes: pure data that runs and checkpoints hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

from prefrontal.checking import check, option

_BOUNDS = ("both", "low", "high", "none")


@dataclass(frozen=True)
class Actions:
    """One choice, several choices at once, or several numbers.

    Attributes:
        sizes: Options of each choice; empty if actions are numbers.
        single: Whether an action is one choice alone, an integer in place of an array.
        low: Lowest value of each number; empty if actions are choices.
        high: Highest value of each.
        bounds: Which of them count, for each number: ``both``, ``low``, ``high`` or ``none``. Empty
            is ``both``, and ``none`` where `low` and `high` are equal.
    """

    sizes: tuple[int, ...] = option((), "Options of each choice.", least=1)
    single: bool = True
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    bounds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: There are no actions, or of both kinds, or bounds in the wrong order.
        """
        check(self)
        if bool(self.sizes) == bool(self.low) or len(self.low) != len(self.high):
            raise ValueError("actions need the sizes of choices, or low and high of numbers")
        if any(not a <= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low must not exceed high, got {self.low} and {self.high}")
        if self.bounds and (len(self.bounds) != len(self.low) or {*self.bounds} - {*_BOUNDS}):
            raise ValueError(f"bounds must be {', '.join(_BOUNDS)} each, not {self.bounds}")
        if self.single and len(self.sizes) > 1:
            raise ValueError(f"one choice has one size, not {len(self.sizes)}")

    @property
    def discrete(self) -> bool:
        """Whether an action is one choice, as most learners need it."""
        return self.single and bool(self.sizes)

    @property
    def limits(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Lowest and highest value of each number, infinite where there is none."""
        ends = list(zip(self.low, self.high, strict=True))
        bounds = self.bounds or ["both" if low < high else "none" for low, high in ends]
        each = list(zip(bounds, ends, strict=True))
        return (
            tuple(low if kind in ("both", "low") else -math.inf for kind, (low, _) in each),
            tuple(high if kind in ("both", "high") else math.inf for kind, (_, high) in each),
        )

    @property
    def outputs(self) -> int:
        """Read-outs K of a policy: a logit an option; mean and deviation of a number."""
        return sum(self.sizes) or 2 * len(self.low)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an action: ``()`` or ``(A,)``."""
        return () if self.discrete else (len(self.sizes) or len(self.low),)

    @property
    def width(self) -> int:
        """Numbers of an action as an input: one-hot choices, or the numbers themselves."""
        return sum(self.sizes) or len(self.low)


def choice(options: int) -> Actions:
    """Return the actions of one choice among so many options."""
    return Actions((int(options),))
