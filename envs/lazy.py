"""PyTorch, imported at its first use: tasks can be listed and described without it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["LazyModule", "Tensor", "torch"]


class LazyModule(ModuleType):
    """A module that is imported when one of its attributes is first read.

    Attributes are kept, so that reading them again costs what it costs of the module itself.

    Args:
        name: Full name of the module.
    """

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self.__name__), name)
        self.__dict__[name] = value
        return value


if TYPE_CHECKING:
    import torch as torch
    from torch import Tensor as Tensor
else:
    torch = LazyModule("torch")
    Tensor = Any  # annotations of dataclasses are evaluated
