"""Learning rules: how a gradient, or what stands in for it, is made for the slow weights.

`prefrontal.agents.rules.config` says which there are. Rules that send errors back through time
(`credit`) share the recording of one rollout and differ in the ways that the gradient takes.
Perturbation rules (`perturbation`) disturb the units while the agent acts; search rules (`search`)
disturb the weights of whole episodes. `alignment` compares any update with back-propagation's.
"""
