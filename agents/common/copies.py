"""Copies of objects that hold tensors."""

from __future__ import annotations

import copy
from typing import Any


def copied(thing: object, **instead: Any) -> dict[str, Any]:
    """Return a copy of all attributes, for `__getstate__`.

    Tensors that are sent to another process are moved to memory that both share: the original would
    lose its place, which compiled code knows, and change with its copy. So copies are sent.

    Args:
        thing: Whose attributes.
        **instead: Values of attributes that stay behind.
    """
    return copy.deepcopy(vars(thing) | instead)
