"""All that is checked of a model of choice, in the order in which it must be right."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.behaviour.models import Model, Parameter, bandits, run, simulate, tabulate
from prefrontal.behaviour.models.run import Trials, change_fields
from prefrontal.behaviour.models.simulate import Environment
from prefrontal.behaviour.table import TRIALWISE, Behaviour
from prefrontal.checks.calls import Wrong, called, pure, same, shaped

SUBJECTS, TRIALS, ARMS, VECTORS = 3, 11, 2, 5  # all different, so that they tell
SCALE = 0.1  # of rewards, for the notes
TRANSFORMS = ("unit", "positive", "real")
STAGES = ("choice", "choice2")
OFFSETS = (0.3, -1.5)  # from the means of the priors: where the effects of parameters are tried


def model_problems(cls: type[Model]) -> Iterator[str]:
    """Yield what is wrong with a class of a model; takes a second.

    Args:
        cls: The class.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
    """
    model = _made(cls)
    data = _data(model)
    table = called(f"{cls.__name__}.needs", tabulate, data, model)
    theta = _theta(model, 0)
    _check_one_trial(model, theta, data, table)
    ran = _ran(model, theta, data)
    _check_likelihood(model, ran)
    yield from _time_problems(model, theta, data, ran)
    yield from _subject_problems(model, theta, data, ran)
    yield from _gradient_problems(model, table)
    yield from _play_problems(model, data)


def model_notes(cls: type[Model]) -> Iterator[str]:
    """Yield what could be better in a model that has no problems."""
    model = cls()
    data, theta = _data(model), _theta(model, 0)
    units = {one.name: one.unit for one in model.parameters}
    changed = {name: value * SCALE ** -units[name] for name, value in theta.items()}
    scaled = replace(data, reward=data.reward / SCALE)
    before = run(model.in_unit(1.0), theta, data).total
    if not same(run(model.in_unit(1 / SCALE), changed, scaled).total, before, 1e-8):
        yield (
            "the likelihood depends on the unit that rewards are in: say of each parameter which "
            "power of it it has, as Parameter(..., unit=-1) of an inverse temperature; if it has "
            "constants in that unit, in_unit(scale) returns the model with others"
        )


def _made(cls: type[Model]) -> Model:
    """Return a model, its attributes checked.

    Raises:
        Wrong: It cannot be made, lacks a method, or an attribute is of another kind.
    """
    name = cls.__name__
    model = called(f"{name}()", cls)
    named = {"name": model.name, "explains": model.explains, "needs": model.needs}
    if not isinstance(named["name"], str) or not named["name"] or set(named["name"]) & set(" ,:"):
        raise Wrong(f"{name}.name must be a text without blanks, commas and colons")
    for key in ("explains", "needs"):
        value = named[key]
        if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
            raise Wrong(f'{name}.{key} must be a tuple of names, as ("choice",), not {value!r:.60}')
    if not set(model.explains) <= set(STAGES) or "choice" not in model.explains:
        raise Wrong(f'{name}.explains must be ("choice",) or ("choice", "choice2")')
    _check_parameters(name, model.parameters)
    own = {key for key, value in vars(Model).items() if getattr(cls, key, value) is not value}
    wanted = {"log_policy", *(("log_policy2",) if "choice2" in model.explains else ())}
    wanted |= {"start", "update"} if own & {"start", "update"} else set()
    lacking = sorted(wanted - own)
    if lacking:
        raise Wrong(
            f"{name} lacks {' and '.join(lacking)}: `prefrontal new model FILE.py` shows one"
        )
    for key, takes in (
        ("start", "(theta, behaviour)"),
        ("prepare", "(theta, trials)"),
        *((key, "(theta, state, trial)") for key in ("log_policy", "update", "latents")),
    ):
        try:
            inspect.signature(getattr(model, key)).bind(*range(takes.count(",") + 1))
        except TypeError as error:
            raise Wrong(f"{name}.{key} must take {takes}: {error}") from error
    return model


def _check_parameters(name: str, parameters: Any) -> None:
    """Raise Wrong unless parameters are a tuple of `Parameter`, each once."""
    if not isinstance(parameters, tuple) or not all(isinstance(p, Parameter) for p in parameters):
        raise Wrong(f'{name}.parameters must be a tuple: (Parameter("rate", "unit"), ...)')
    names = [one.name for one in parameters]
    if len(set(names)) < len(names):
        raise Wrong(f"{name}.parameters: {', '.join(names)}: one has the name of another")
    for one in parameters:
        where = f"{name}.parameters: {one.name}"
        if one.transform not in TRANSFORMS:
            raise Wrong(f"{where}: transform must be one of {', '.join(TRANSFORMS)}")
        if not one.variance > 0:
            raise Wrong(f"{where}: the prior's variance must be above 0, not {one.variance}")


def _data(model: Model, subjects: int = SUBJECTS, trials: int = TRIALS) -> Behaviour:
    """Return random trials with all that a model needs; some are missed, and a block starts."""
    rng = np.random.default_rng(0)
    shape = (subjects, trials)
    more: dict[str, Any] = {}
    for key in {*model.needs, *model.explains} - {"choice"}:
        values = rng.integers(0, 2, shape)
        if key in ("state2", "choice2"):
            more[key] = values
        else:
            more.setdefault("columns", {})[key] = values.astype(float)
    block = np.tile(np.arange(trials) >= trials // 2, (subjects, 1)).astype(int)
    made = bandits(np.zeros((*shape, ARMS)), block=block, resets="block", **more).trials
    choice, reward = rng.integers(0, ARMS, shape), rng.integers(0, 2, shape).astype(float)
    return replace(made, choice=choice, reward=reward)


def _theta(model: Model, seed: int, vectors: int = VECTORS) -> dict[str, Tensor]:
    """Return parameters drawn around the means of their priors ``[V, S]``."""
    generator = torch.Generator().manual_seed(seed)
    size = (vectors, SUBJECTS, len(model.parameters))
    drawn = torch.randn(size, generator=generator, dtype=torch.float64)
    return model.theta(0.7 * drawn + torch.tensor([one.mean for one in model.parameters]))


def _check_one_trial(model: Model, theta: Any, data: Behaviour, table: Trials) -> None:
    """Call each method on a first trial; raise Wrong unless it returns what it must."""
    name = type(model).__name__
    lead = (VECTORS, SUBJECTS) if theta else (SUBJECTS,)
    fields = change_fields(table.fields, lambda one: one[:1].unsqueeze(1) if theta else one[:1])
    state = pure(f"{name}.start", model, lambda theta: model.start(theta, data), theta)
    _check_state(f"{name}.start", state, lead)
    step = fields._replace(prepared=pure(f"{name}.prepare", model, model.prepare, theta, fields))
    now = change_fields(step, lambda one: one[0])
    for _ in range(2 if state else 0):  # what it does to a state of zeros may not be seen
        after = pure(f"{name}.update", model, model.update, theta, state, now)
        _check_state(f"{name}.update", after, lead, state)
        state = after
    timed = {key: value.unsqueeze(0) for key, value in state.items()}
    policies = {"log_policy": ARMS}
    if "choice2" in model.explains:
        policies["log_policy2"] = 2
    for key, arms in policies.items():
        method = getattr(model, key)
        for here, given, shape in (((), (state, now), lead), ((1,), (timed, step), (1, *lead))):
            made = pure(f"{name}.{key}", model, method, theta, *given)
            wanted, what = (*shape, arms), "[..., S, K]"
            if isinstance(made, Tensor) and made.dim() > 1 and theta == {}:
                wanted = tuple(made.shape)
            if wrong := shaped(made, wanted, torch.float64):
                time = ", where all trials come at once" if here else ""
                raise Wrong(f"{name}.{key} {wrong}: {what}{time}")
            if not same(made.exp().sum(-1), torch.ones(made.shape[:-1]).double(), 1e-8):
                raise Wrong(
                    f"{name}.{key}: probabilities do not sum to 1: return their logarithms, as "
                    "log_softmax does"
                )
    pure(f"{name}.latents", model, model.latents, theta, timed, step)


def _check_state(
    where: str, state: Any, lead: tuple[int, ...], like: dict[str, Tensor] | None = None
) -> None:
    """Raise Wrong unless a state is a dictionary of float64 tensors, shaped as at the start."""
    if not isinstance(state, dict):
        raise Wrong(f"{where} must return a dictionary of tensors, not {type(state).__name__}")
    if like is not None and state.keys() != like.keys():
        raise Wrong(
            f"{where} returns {', '.join(state) or 'nothing'}, and {', '.join(like)} is the state"
        )
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.shape[: len(lead)] != lead:
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            hint = ": filled(theta, behaviour, ...) makes one" if like is None else ""
            raise Wrong(
                f"{where}: {key!r} must be [..., S, ...], here {list(lead)} and more, not {shape}"
                f"{hint}"
            )
        wanted = tuple(value.shape) if like is None else tuple(like[key].shape)
        if wrong := shaped(value, wanted, torch.float64):
            raise Wrong(f"{where}: {key!r} {wrong}")


def _ran(model: Model, theta: Any, data: Behaviour) -> Any:
    """Return a run with latents; what it raises is the user's."""
    where = f"{type(model).__name__} over {data.trials} trials"
    return called(where, lambda: run(model, theta, data, latents=True))


def _check_likelihood(model: Model, ran: Any) -> None:
    """Raise Wrong for a likelihood that is not finite within a run."""
    if not bool(ran.total.isfinite().all()):
        raise Wrong(
            f"{type(model).__name__}: the likelihood is not finite at parameters that the priors "
            "allow (a probability of 0, or NaN)"
        )


def _policies(ran: Any) -> list[Tensor]:
    """Return what a run says of the choices ``[..., S, T, ...]``."""
    return [ran.latents["policy"], *([] if ran.log_p2 is None else [ran.log_p2.unsqueeze(-1)])]


def _time_problems(model: Model, theta: Any, data: Behaviour, ran: Any) -> Iterator[str]:
    """Yield uses of the future, of trials that are missed, and of blocks before."""
    name, cut = type(model).__name__, TRIALS // 2 - 2
    policy = ran.latents["policy"]
    later = np.arange(TRIALS) >= cut  # the choice itself, its reward, and all after
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("a choice", {"choice": np.where(later, 1 - data.choice, data.choice)}),
        ("a reward", {"reward": np.where(later, 1 - data.reward, data.reward)}),
    )
    for what, changed in changes:
        other = _ran(model, theta, replace(data, **changed)).latents["policy"]
        if not same(other[..., : cut + 1, :], policy[..., : cut + 1, :], 1e-12):
            yield f"{name}.log_policy knows {what} before it is made: that is the future"
            return
    first = TRIALS // 2  # values start anew here
    earlier = np.arange(TRIALS) < first
    other = _ran(
        model, theta, replace(data, reward=np.where(earlier, 1 - data.reward, data.reward))
    )
    if not same(other.log_p[..., first:], ran.log_p[..., first:], 1e-12):
        yield f"{name} remembers something across blocks: keep it in the state, which starts anew"
    missed = np.arange(TRIALS) == cut
    gone: dict[str, Any] = {
        "choice": np.where(missed, -1, data.choice),
        "reward": np.where(missed, np.nan, data.reward),
        "scored": data.scored & ~missed,
        "learned": data.learned & ~missed,
    }
    kept = [t for t in range(TRIALS) if t != cut]
    with_gap = _ran(model, theta, replace(data, **gone))
    without = _ran(model, theta, _without(data, cut))
    if not same(with_gap.log_p[..., kept], without.log_p, 1e-12):
        yield f"{name}: a trial that is missed changes others: let prepare and log_policy ignore it"


def _without(data: Behaviour, trial: int) -> Behaviour:
    """Return the trials without one of them."""
    left: dict[str, Any] = {
        key: np.delete(value, trial, axis=1)
        for key in TRIALWISE
        if (value := getattr(data, key)) is not None
    }
    columns = {key: np.delete(value, trial, axis=1) for key, value in data.columns.items()}
    return replace(data, **left, columns=columns)


def _subject_problems(model: Model, theta: Any, data: Behaviour, ran: Any) -> Iterator[str]:
    """Yield that a subject, or a vector of parameters, depends on others beside it."""
    name = type(model).__name__
    for row in (0, SUBJECTS - 1):
        alone = {key: value[..., row : row + 1] for key, value in theta.items()}
        one = _ran(model, alone, data.select([row]))
        if not same(one.log_p[..., 0, :], ran.log_p[..., row, :], 1e-10):
            yield f"{name}: a subject depends on the others: keep subjects apart"
            return
    alone = {key: value[1] for key, value in theta.items()}
    if alone and not same(_ran(model, alone, data).log_p, ran.log_p[1], 1e-10):
        yield f"{name} gives something else for one vector of parameters than for several at once"


def _gradient_problems(model: Model, table: Trials) -> Iterator[str]:
    """Yield parameters without effect, and gradients that are not those of the likelihood."""
    name, size = type(model).__name__, len(model.parameters)
    if not size:
        return
    mean = torch.tensor([one.mean for one in model.parameters], dtype=torch.float64)
    step = 1e-5 * torch.eye(size, dtype=torch.float64)
    steps = torch.cat([torch.zeros(1, size, dtype=torch.float64), step, -step])
    offsets = torch.tensor(OFFSETS, dtype=torch.float64)
    points = (mean + offsets[:, None, None] + steps).unsqueeze(2).requires_grad_()

    def likelihood() -> Tensor:
        return run(model, model.theta(points), table).total.sum(-1)  # [offsets, 1 + 2 P]

    total = called(f"{name}: the likelihood", likelihood)
    if not total.requires_grad:
        yield f"{name}: the likelihood carries no gradient: leave out detach, item and numpy"
        return
    (gradient,) = torch.autograd.grad(total.sum(), points, materialize_grads=True)
    if not bool(gradient.isfinite().all()):
        yield f"{name}: the gradient of the likelihood is not finite"
        return
    up, down = total.detach()[:, 1:].chunk(2, 1)
    slopes, numeric = gradient[:, 0, 0], (up - down) / 2e-5  # [offsets, P]
    wrong = (slopes - numeric).abs() > 1e-4 * (1 + numeric.abs())
    for number, one in enumerate(model.parameters):
        if bool(wrong[:, number].any()):
            at = int(wrong[:, number].int().argmax())
            yield (
                f"{name}: the gradient for {one.name} is {slopes[at, number]:.4g}, and the "
                f"likelihood changes by {numeric[at, number]:.4g}: leave out detach, round, and "
                "what is not differentiable"
            )
        elif not bool(slopes[:, number].any()):
            yield f"{name}: the likelihood does not depend on {one.name}: leave it out, or use it"


def _play_problems(model: Model, data: Behaviour) -> Iterator[str]:
    """Yield that the likelihood of a model's own choices is not highest near its parameters."""
    name, subjects, size = type(model).__name__, 30, len(model.parameters)
    given = _data(model, subjects, 60)
    pay = np.where(given.block[..., None] == np.arange(2), 0.8, 0.2)
    if given.state2 is not None:
        options = 2 if given.choice2 is not None else 1
        pay = np.repeat(pay[..., None], options, -1) * np.array([1.0, 0.5])[:options]
    raw = torch.tensor([one.mean + 0.3 for one in model.parameters], dtype=torch.float64)
    theta = {key: value.item() for key, value in model.theta(raw).items()}
    played = called(
        f"{name} that plays", lambda: simulate(model, theta, Environment(given, pay), seed=1)
    )
    if not size:
        return
    rows = raw.repeat(subjects, 1).requires_grad_()
    total = run(model, model.theta(rows), played).total
    (scores,) = torch.autograd.grad(total.sum(), rows)
    information, score = scores.T @ scores, scores.sum(0)
    ridge = 1e-9 * torch.eye(size, dtype=torch.float64)
    if float(score @ torch.linalg.solve(information + ridge, score)) > 6 * size + 20:
        yield (
            f"{name}: the likelihood of its own choices is not highest at the parameters they were "
            "made with"
        )
