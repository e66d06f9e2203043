"""Cognitive models by name, in a line each: pure data, read without PyTorch."""

#: What each model is; `models.catalogue` makes them.
MODELS = {
    "random": "every arm that can be chosen is as likely",
    "biased-random": "arms have probabilities of their own, whatever they pay",
    "wsls": "win-stay, lose-shift (Worthy & Maddox 2014)",
    "rw": "delta rule and softmax (Rescorla & Wagner 1972), with additions: rw+dual+forget",
    "pearce-hall": "a learning rate that follows surprise (Pearce & Hall 1980; Li et al. 2011)",
    "kalman-value": "Kalman filter, probit of the difference of means (Gershman 2018)",
    "kalman-ucb": "the same, and of the difference of deviations",
    "kalman-thompson": "Kalman filter, probit of the difference over the total deviation",
    "kalman-hybrid": "the same, and of the difference of deviations",
    "hidden-state": "Bayesian belief on which arm is good (Hampton et al. 2006)",
    "hybrid": "model-free and model-based values, mixed (Daw et al. 2011)",
    "mf": "its model-free part: SARSA(lambda)",
    "mb": "its model-based part: planning with the known transitions",
    "hybrid-reduced": "the hybrid where there is no choice at the second stage",
    "mf-reduced": "its model-free part",
    "mb-reduced": "its model-based part",
    "rlwm": "slow values and a fast memory that fades (Collins & Frank 2012)",
}

#: What may be added to `rw`, in any order: `rw+dual+forget`.
ADDITIONS = ("dual", "forget", "persev", "lapse", "bias")
