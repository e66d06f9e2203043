"""Speed against peers, and of one version against another, measured in turns in one run.

`throughput`, `replay` and `td3` compare with peers, `versions` with another checkout;
`time_to_thompson` and `context_bandit_recurrent_ppo` train until agents are good. `measure` runs
the sides of a comparison in processes of their own; `peers` has a module for each.
"""
