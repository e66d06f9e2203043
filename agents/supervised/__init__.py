"""Supervised learning to act: agents are told the best action of a task, and never their reward."""
