"""Measures of behaviour and of activity: pure functions of recorded arrays.

Every function takes NumPy arrays (the record of an evaluation, ``[M, E, T, ...]``: members,
episodes, steps) and returns numbers, arrays or the path of a figure; nothing here knows an
environment or an agent. ``missing`` states what is missing in a record and refuses what cannot be
in one. The rooms, each of which may use those before it: ``stats`` (intervals over members,
contrasts, regressions, findings), ``choice`` (what choices follow from, and models of them),
``neural`` (what activity and prediction errors code), ``dynamics`` (where activity comes to rest),
``figures``. SciPy and Matplotlib are
imported only by the functions that need them.
"""
