"""Recurrent TD3 for continuous actions (Zhang, Pitkow & Angelaki 2024).

`config` holds the settings, `networks` the actors and critics, `play` the playing, `update` one
update of TD3, `member` the phases of training, `learner` the members of a run, `population` the
trained agents.
"""
