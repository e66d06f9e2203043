"""Learning faster in volatile times, with frozen weights (Wang et al. 2018, simulation 2).

After Behrens et al. 2007: a reversing bandit (.8/.2) with stable and volatile blocks. The effective
learning rate is that of the Rescorla-Wagner model which describes an agent's choices best, one rate
for each kind of block, without the first trials of a block. On the same tasks: the ideal observer
(a Bayes filter over the good arm and the order of the blocks), and two that do not adapt, a Bayes
filter that knows one volatility and a Rescorla-Wagner learner. Measurements:
docs/findings/wang2018-volatility.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prefrontal.analysis.choice.learning_rate import learning_rates
from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.neural.selectivity import history_variables, selectivity
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

if TYPE_CHECKING:
    from prefrontal.envs.reversal import Volatility  # imports torch

FITTED = 1250  # episodes a member whose choices are fitted: 10,000 with eight members
OBSERVED = 300  # episodes a member on which the observers are fitted
HIDDEN = 150  # episodes a member whose hidden states are tested
ADAPTING = 30  # trials at the start of a block that are left out
FIXED_RATE = 0.3  # of the learner that does not adapt


def bayes_choices(pays: np.ndarray, task: Volatility, adaptive: bool, seed: int = 0) -> np.ndarray:
    """Return the choices of a Bayes filter: the arm that is more probably good, ties at random.

    Args:
        pays: The arm that pays on each trial ``[..., T]``; an outcome of either arm tells it.
        task: The task, which the observer knows.
        adaptive: Whether it knows that there are blocks (not in which order), or only the mean
            volatility.
        seed: Seed of the ties.

    Returns:
        Choices ``[..., T]``.
    """
    trial = np.arange(task.trials)
    starts = np.arange(2)[:, None]  # is the first block volatile?
    hazard = np.where((starts + trial // task.block) % 2, task.volatile, task.stable)
    if not adaptive:
        hazard = np.full((1, task.trials), (task.stable + task.volatile) / 2)
    belief = np.full((*pays.shape[:-1], len(hazard), 2), 0.5 / len(hazard))  # of block order, arm
    rng, action = np.random.default_rng([seed, 7]), np.zeros(pays.shape, dtype=np.int64)
    for n in trial:
        if n:
            switch = hazard[:, n, None]
            belief = (1 - switch) * belief + switch * belief[..., ::-1]
        lean = belief[..., 1].sum(axis=-1) - belief[..., 0].sum(axis=-1)
        tie = rng.random(lean.shape) < 0.5
        action[..., n] = np.where(np.abs(lean) < 1e-9, tie, lean > 0)
        told = pays[..., n, None] == [0, 1]
        belief = belief * np.where(told, task.reward, 1 - task.reward)[..., None, :]
        belief /= belief.sum(axis=(-2, -1), keepdims=True)
    return action


def delta_rule_choices(
    pays: np.ndarray, rate: float, inverse_temperature: float = 6.0, seed: int = 0
) -> np.ndarray:
    """Return the choices of a Rescorla-Wagner learner with one rate ``[..., T]``."""
    rng, values = np.random.default_rng([seed, 8]), np.full((*pays.shape[:-1], 2), 0.5)
    action = np.zeros(pays.shape, dtype=np.int64)
    for n in range(pays.shape[-1]):
        odds = inverse_temperature * (values[..., 1] - values[..., 0])
        action[..., n] = rng.random(odds.shape) < 0.5 * (1 + np.tanh(odds / 2))
        chosen = action[..., n, None] == [0, 1]
        reward = (action[..., n] == pays[..., n])[..., None]
        values = values + rate * chosen * (reward - values)
    return action


def block_rates(
    action: np.ndarray, pays: np.ndarray, volatile: np.ndarray, block: int
) -> np.ndarray:
    """Return learning rates ``[M, 2]`` in stable and volatile blocks from ``[M, E, T]``."""
    adapting = np.arange(action.shape[2]) % block < min(ADAPTING, block // 2)
    label = np.where(adapting, 2, volatile)
    reward = (action == pays).astype(float)
    fits = [learning_rates(a, r, g) for a, r, g in zip(action, reward, label, strict=True)]
    return np.array([fit.rates[:2] for fit in fits])


def measure(evaluation: Evaluation) -> Outcome:
    """Measure learning rates in stable and volatile blocks, of the agent and of observers."""
    from prefrontal.envs.reversal import Volatility

    task = Volatility(**next(iter(evaluation.populations.values())).environment.kwargs)
    record = evaluation.record()
    pays = record["task.pays"].astype(np.int64)
    reward = record["reward"].mean(axis=(1, 2))
    ideal_reward = (bayes_choices(pays, task, True, evaluation.seed) == pays).mean()
    volatile = record["task.volatile"].astype(np.int64)
    choices = {
        "agent": record["action"].astype(np.int64)[:, :FITTED],
        "ideal observer": bayes_choices(pays[:, :OBSERVED], task, True, evaluation.seed),
        "one volatility": bayes_choices(pays[:, :OBSERVED], task, False, evaluation.seed),
        "Rescorla-Wagner": delta_rule_choices(pays[:, :OBSERVED], FIXED_RATE, seed=evaluation.seed),
    }
    rates = {
        name: block_rates(
            action, pays[:, : action.shape[1]], volatile[:, : action.shape[1]], task.block
        )
        for name, action in choices.items()
    }
    steeper = {name: rate[:, 1] - rate[:, 0] for name, rate in rates.items()}
    ideal = rates["ideal observer"].mean(axis=0)
    findings = [
        finding(
            "learning rate, volatile less stable blocks",
            steeper["agent"],
            bar=0.0,
            optimum=float(ideal[1] - ideal[0]),
            note="published in words: higher in volatile blocks",
        ),
        finding("learning rate, stable blocks", rates["agent"][:, 0], optimum=float(ideal[0])),
        finding("learning rate, volatile blocks", rates["agent"][:, 1], optimum=float(ideal[1])),
        finding(
            "slope: the agent's difference over the ideal observer's",
            steeper["agent"] / steeper["ideal observer"].mean(),
            optimum=1.0,
            goal=(0.5, 1.5),
            better="near",
        ),
        finding(
            "volatile less stable, observer of one volatility",
            steeper["one volatility"],
            note="Bayes filter that does not adapt",
        ),
        finding(
            "volatile less stable, Rescorla-Wagner learner",
            steeper["Rescorla-Wagner"],
            note=f"simulated with one rate, {FIXED_RATE}",
        ),
        finding(
            "reward a trial",
            reward,
            optimum=float(ideal_reward),
            bar=0.97 * ideal_reward,
            note="bar: 97 % of the ideal observer's on the same tasks",
        ),
        finding(
            "units that code volatility",
            coding_units(evaluation, task.block),
            note="fraction; beyond previous action, reward and their interaction",
        ),
    ]
    figures = curve_figure(evaluation, {"ideal observer": float(ideal_reward * task.trials)})
    return Outcome(findings, figures + _figure(evaluation, rates))


def coding_units(evaluation: Evaluation, block: int) -> np.ndarray:
    """Return the fraction of units of each member that code volatility late in a block, ``[M]``."""
    record = evaluation.record(episodes=min(HIDDEN, evaluation.episodes), hidden=True)
    late = np.arange(1, record["action"].shape[2]) % block >= block // 2
    variables = history_variables(record["action"], record["reward"])
    variables["volatile"] = record["task.volatile"][:, :, 1:].astype(float)
    tested = selectivity(
        record["hidden"][:, :, 1:][:, :, late],
        {name: values[:, :, late] for name, values in variables.items()},
    )
    return np.asarray(tested.fraction[:, list(variables).index("volatile")])


def _figure(evaluation: Evaluation, rates: dict[str, np.ndarray]) -> list[Path]:
    if not evaluation.figures:
        return []
    groups = {
        kind: {name: rates[name][:, i] for name in ("agent", "ideal observer")}
        for i, kind in enumerate(("stable blocks", "volatile blocks"))
    }
    path = evaluation.folder / "learning_rates.png"
    return [
        bars_with_members(groups, path, "learning rate", episodes=min(FITTED, evaluation.episodes))
    ]


EXPERIMENT = Experiment(
    name="wang2018-volatility",
    summary="the learning rate is higher in volatile than in stable times, with frozen weights",
    reference="Wang et al. 2018, Nature Neuroscience 21:860, simulation 2",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/Volatility-v0",
                ("action", "centred_reward", "time"),
                {"block": 100, "trials": 200},
            ),
            cfg.NetworkConfig(),
            cfg.A2CConfig(learning_rate=1e-2, discount=0.6),
            cfg.TrainingConfig(num_envs=8, total_steps=2_400_000),
        )
    },
    measure=measure,
    levels=lambda settings: {"chance": settings.environment.kwargs["trials"] / 2},
)
