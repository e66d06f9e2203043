"""Options of configurations; see `prefrontal.checking`."""

from prefrontal.checking import check, grouped, option

__all__ = ["check", "grouped", "option"]
