"""Records to numbers and figures: pure functions of recorded arrays.

Nothing here knows an environment or an agent: every function takes NumPy arrays (the record that
``evaluate.py`` writes, shapes ``[members, episodes, steps, ...]``) and returns numbers, arrays or
the path of a figure. Import the module of the topic: ``from analysis import two_step``.
"""
