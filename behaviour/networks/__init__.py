"""Recurrent networks fitted to choices: what the history of a subject tells of its next choice.

`sequences` makes of a table what a network is shown, `recurrent` trains small networks with any
core of `prefrontal.agents.networks` on it, several seeds side by side.
"""
