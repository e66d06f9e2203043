"""CartPole whose derived numbers follow what is varied, so that lengths and masses make one pole.

``prefrontal train docs/examples/pole.py:Pole --meta-episodes 5 --vary length=.25:1.5``
"""

from gymnasium.envs.classic_control import CartPoleEnv


class Pole(CartPoleEnv):
    """A pole of any length and mass; CartPole computes these numbers once, when it is made."""

    max_episode_steps = 50
    polemass_length = property(lambda self: self.masspole * self.length, lambda self, value: None)
    total_mass = property(lambda self: self.masspole + self.masscart, lambda self, value: None)
