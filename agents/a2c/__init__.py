"""Recurrent advantage actor-critic: settings, the learner, and what only it needs.

`config` is pure data, `learner` reads top to bottom: collect → advantages → loss → one step.
`off_policy` keeps and draws episodes for replay, `ewc` and `teacher` protect what was learned in
earlier stages, `course` is the flawed buffer of the NeuroAI course, as a control.
"""
