"""What a checkpoint says of its agents, and whether its tensors are theirs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from prefrontal.agents.common.errors import CheckpointError
from prefrontal.agents.common.plain import from_plain
from prefrontal.agents.runs.checkpoint import Shapes
from prefrontal.checking import KIND, check

D = TypeVar("D", bound="Described")


@dataclass(frozen=True)
class Described:
    """What loading agents needs besides their weights; base of each algorithm's description."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(self)

    @classmethod
    def of(cls: type[D], meta: Mapping[str, Any], folder: Path) -> D:
        """Return the description in what the checkpoint of a folder says.

        Raises:
            ConfigError: Something in it is missing or wrong.
        """
        known = {field.name: meta[field.name] for field in fields(cls) if field.name in meta}
        if isinstance(network := known.get("network"), Mapping):
            known["network"] = {key: value for key, value in network.items() if key != KIND}
        return from_plain(cls, known, f"{folder / 'checkpoint'}")


def require_shape(
    shapes: Shapes, name: str, allowed: Collection[tuple[int, ...]], folder: Path
) -> None:
    """Check that a checkpoint holds a tensor of floating-point numbers of an allowed shape.

    Raises:
        CheckpointError: It does not.
    """
    kind, shape = shapes.get(name, ("nothing", ()))
    if shape not in allowed or kind not in ("F16", "BF16", "F32", "F64"):
        needed = " or ".join(str(list(one)) for one in allowed)
        raise CheckpointError(
            f"the checkpoint in {folder} does not fit its own settings: {name} have shape "
            f"{list(shape)} ({kind}), and numbers {needed} are needed"
        )
