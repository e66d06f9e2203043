"""Models of the chooser: parameters in, log-probabilities of the next choice out.

`find` gives a model by its name, `run` applies it to trials, `simulate` lets it choose. A model of
one's own derives from `Model`, with `Parameter`, `filled`, `per_arm` and `log_softmax`.
"""

from prefrontal.behaviour.models.catalogue import find, names
from prefrontal.behaviour.models.model import (
    Model,
    Parameter,
    Trial,
    filled,
    log_softmax,
    per_arm,
)
from prefrontal.behaviour.models.run import Ran, run, tabulate
from prefrontal.behaviour.models.simulate import (
    Environment,
    bandits,
    redrawn,
    simulate,
    stimuli,
    two_step,
)

__all__ = [
    "Environment",
    "Model",
    "Parameter",
    "Ran",
    "Trial",
    "bandits",
    "filled",
    "find",
    "log_softmax",
    "names",
    "per_arm",
    "redrawn",
    "run",
    "simulate",
    "stimuli",
    "tabulate",
    "two_step",
]
