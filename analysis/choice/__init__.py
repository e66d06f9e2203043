"""Choices: what they follow from, how good they are, and models of the chooser.

Measures by task: ``bandits``, ``two_step``, ``continual`` (changing rewards), ``search`` and
``navigation``, ``evolution``; ``choice`` holds those of any two-armed task. ``cognitive_models``,
``hybrid_model`` and ``learning_rate`` fit models to choices, ``observers`` simulates choosers whose
answers are known.
"""
