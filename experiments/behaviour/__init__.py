"""Findings about models of choice: which of them describe trained agents and known observers."""
