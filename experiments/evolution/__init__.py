"""Experiments on evolution around learning: what evolves, who learns, and where the ability lives.

`course_baldwin_harlow` repeats the Baldwin effect of the NeuroAI course, `baldwin_context_bandit`
and `baldwin_two_armed_bandit` ask the same of other tasks (both by `comparison`), and
`hinton_nowlan_1987` repeats the simulation that began it. `measures` is what they share.
"""
