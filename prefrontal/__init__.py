"""Learning to learn: tasks, agents that learn in their activations, probes, published findings.

```python
import prefrontal as pf

run = pf.train("wang2018-two-step", members=8, seed=1)
report = pf.evaluate(run)
```

`prefrontal.envs` holds the tasks, `prefrontal.agents` the learners, `prefrontal.analysis` what is
read off records, and `prefrontal.experiments` one module per published finding. The names below are
imported when they are first used; importing this package imports nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefrontal.agents.common.errors import PrefrontalError as PrefrontalError
    from prefrontal.agents.networks.config import register_core as register_core
    from prefrontal.aligning import align as align
    from prefrontal.comparing import compare as compare
    from prefrontal.comparing import recover as recover
    from prefrontal.comparing import simulate as simulate
    from prefrontal.evaluating import Report as Report
    from prefrontal.evaluating import evaluate as evaluate
    from prefrontal.evaluating import load as load
    from prefrontal.fitting import fit as fit
    from prefrontal.fitting import read as read
    from prefrontal.resting import dynamics as dynamics
    from prefrontal.showing.comparing import compare_runs as compare_runs
    from prefrontal.showing.film import play as play
    from prefrontal.showing.report import report as report
    from prefrontal.training import Run as Run
    from prefrontal.training import train as train

_PLACES = {
    "PrefrontalError": "agents.common.errors",
    "Report": "evaluating",
    "Run": "training",
    "align": "aligning",
    "compare": "comparing",
    "compare_runs": "showing.comparing",
    "dynamics": "resting",
    "evaluate": "evaluating",
    "fit": "fitting",
    "load": "evaluating",
    "play": "showing.film",
    "read": "fitting",
    "recover": "comparing",
    "register_core": "agents.networks.config",
    "report": "showing.report",
    "simulate": "comparing",
    "train": "training",
}

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
