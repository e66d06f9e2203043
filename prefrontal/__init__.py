"""Learning to learn: tasks, recurrent agents that learn in their activations, probes and published findings."""
