"""Trained populations that come with the package, by name. Importing this imports no PyTorch."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "pretrained"


def shipped_names() -> list[str]:
    """Return the names of the shipped populations, sorted: those of their experiments."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/config.toml"))


def shipped_folder(name: str) -> Path | None:
    """Return the run folder of a shipped population, or None if none has that name."""
    return _FOLDER / name if name in shipped_names() else None
