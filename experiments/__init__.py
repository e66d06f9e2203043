"""One module per published finding, in folders by theme: settings, measure, published reference.

A module that defines ``EXPERIMENT`` is an experiment, and its file name is its name on the command
line; nothing needs to be registered. `settings` says how a condition is trained, `evaluation` plays
and records trained agents, `experiment` holds what a finding is measured and judged by, `options`
is the command line of all of it, `report` writes the tables of README and findings pages.
"""
