"""Rate networks that learn without gradients: reward-modulated Hebbian plasticity (Miconi 2017).

`config` has the settings, `network` the dynamics and how a trial is played, `learner` the rules,
and `population` the trained agents.
"""
