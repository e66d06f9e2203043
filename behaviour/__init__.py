"""Choices of people, animals and agents: one table, cognitive models, fits and their comparison.

`table` is what everything takes: `Behaviour`, choices of subjects trial by trial. ``files`` reads
and writes it, ``models`` holds models of the chooser, ``fits`` finds their parameters and compares
them; recurrent networks and trained agents are fitted to the same trials.
"""
