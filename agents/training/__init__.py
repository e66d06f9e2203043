"""Training runs: the loop over members in processes, and the diagnosis of learning curves.

What can be trained is in `prefrontal.agents.registry`; what a run leaves behind in
`prefrontal.agents.runs`.
"""
