"""Learning to learn: tasks, agents that learn in their activations, probes, published findings.

`prefrontal.envs` holds the tasks, `prefrontal.agents` the learners, `prefrontal.analysis` what is
read off records, and `prefrontal.experiments` one module per published finding.
"""
