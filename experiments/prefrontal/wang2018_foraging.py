"""Foraging at baited targets and the matching law.

Source: Wang et al. 2018, simulation 1, after Tsutsui et al. 2016. Measures on base probabilities
never met in training: the slope of log choice ratios on log reward ratios (1 is the strict matching
law), the weights of the last five rewards and choices, and which units code the previous action,
the previous reward, their interaction and the value of the targets. A player that knows the base
probabilities and takes the better target now is simulated on the same tasks. A2C with the default
settings and a discount of .6 earns 98 % of its reward after a million steps; the entropy falls to
.3 nats and no further, because the better target is often better by little.
"""

from __future__ import annotations

import numpy as np

from prefrontal.analysis.choice.choice import history_regression, matching_law
from prefrontal.analysis.figures.probes import history_figure, matching_figure
from prefrontal.analysis.neural.selectivity import history_variables, selectivity
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

LAGS = 5  # trials back
FITTED = 1250  # episodes a member for the regression: 10,000 with eight members
HIDDEN = 150  # episodes a member whose hidden states are tested
DRAWN = 40  # blocks a member in the figure


def baited(action: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the probability that each target holds a bait, given the choices so far.

    Args:
        action: Choices ``[..., T]``.
        p: Base probabilities ``[..., 2]``.

    Returns:
        ``[..., T, 2]``: 1 - (1 - p)^(n + 1), n trials after the last visit.
    """
    empty = 1 - p
    probability = np.zeros((*action.shape, 2))
    for n in range(action.shape[-1]):
        probability[..., n, :] = 1 - empty
        chosen = action[..., n, None] == [0, 1]
        empty = np.where(chosen, 1.0, empty) * (1 - p)
    return probability


def best_choices(p: np.ndarray, trials: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return choices and rewards ``[..., T]`` of a player that knows the base probabilities.

    It takes the target that is more probably baited now.
    """
    rng, empty = np.random.default_rng([seed, 9]), 1 - p
    action, reward = (
        np.zeros((*p.shape[:-1], trials), dtype=np.int64),
        np.zeros((*p.shape[:-1], trials)),
    )
    for n in range(trials):
        action[..., n] = empty[..., 1] < empty[..., 0]
        chosen = action[..., n, None] == [0, 1]
        reward[..., n] = rng.random(p.shape[:-1]) >= (empty * chosen).sum(axis=-1)
        empty = np.where(chosen, 1.0, empty) * (1 - p)
    return action, reward


def known_value(p: np.ndarray, trials: int) -> np.ndarray:
    """Return the best expected reward of an episode for one who knows the base probabilities.

    Exact dynamic programming. The state is the target visited last, and how many trials ago the
    other one was; it is a bound for agents, which have to find out the base probabilities. Episodes
    begin without baits: on held-out tasks it is .4394 a trial over 100 trials, and .4402 for ever.

    Args:
        p: Base probabilities ``[..., 2]``.
        trials: Choices of an episode, T.

    Returns:
        Rewards ``[...]``.
    """
    parts = np.array_split(p.reshape(-1, 2).astype(np.float64), 1 + p.size // 512)  # fit in cache
    return np.concatenate([_known_value(part.T, trials) for part in parts]).reshape(p.shape[:-1])


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of one who knows the base probabilities, on tasks of training."""
    from prefrontal.envs.foraging import RANGES, TOTAL

    ranges = RANGES[settings.environment.stage(-1).split]
    first = np.concatenate([np.linspace(low, high, 101) for low, high in ranges])
    trials = settings.environment.kwargs["trials"]
    known = known_value(np.stack([first, TOTAL - first], axis=1), trials)
    return {"bound: knows the base probabilities": float(known.mean())}


def _known_value(p: np.ndarray, trials: int) -> np.ndarray:
    """Return what `known_value` does, ``[n]`` from ``[2, n]``."""
    ago = np.arange(trials)[:, None]
    held = [1 - (1 - one) ** (ago + 1) for one in p]  # a bait, `ago` trials after a visit
    value = np.zeros((2, trials + 1, p.shape[1]))  # by the target visited last, and `ago`
    for count in range(trials, 0, -1):  # states that can be met with so many trials made
        again = [held[last][0] + value[last, 1 : count + 1] for last in (0, 1)]
        other = [held[1 - last][:count] + value[1 - last, 1] for last in (0, 1)]
        value = np.maximum(again, other)
    return np.asarray(value[0, 0])


def measure(evaluation: Evaluation) -> Outcome:
    """Measure matching, weights of the past, reward, and selectivity of units."""
    record = evaluation.record()
    action, reward = record["action"].astype(np.int64), record["reward"]
    observed = best_choices(record["task.p"], action.shape[2], evaluation.seed)
    matching, known = matching_law(action, reward), matching_law(*observed)
    weights = history_regression(action[:, :FITTED], reward[:, :FITTED], LAGS)
    bound = float(known_value(record["task.p"], action.shape[2]).mean()) / action.shape[2]
    myopic, slope = observed[1].mean(), known.sensitivity.mean()
    findings = [
        finding(
            "matching slope",
            matching.sensitivity,
            bar=0.0,
            note=f"1: strict matching; {slope:.3f}: a myopic one who knows the base probabilities",
        ),
        finding(
            "matching, r squared of a block",
            matching.r_squared,
            other=(0.548, 0.740),
            note="other: two monkeys of Tsutsui et al. 2016",
        ),
        finding(
            "reward a trial",
            reward.mean(axis=(1, 2)),
            bound=bound,
            bar=0.95 * bound,
            note=f"bound: knows the base probabilities (bar: 95 %); {myopic:.3f}: a myopic one",
        ),
        *(
            finding(f"weight of a reward {k + 1} back", weights.reward[:, k], note="log odds")
            for k in range(LAGS)
        ),
        *(
            finding(f"weight of a choice {k + 1} back", weights.choice[:, k], note="log odds")
            for k in range(LAGS)
        ),
        *_units(evaluation),
    ]
    figures = curve_figure(evaluation)
    if evaluation.figures:
        figures.append(history_figure(weights, evaluation.folder / "history.png"))
        few = matching_law(action[:, :DRAWN], reward[:, :DRAWN])
        figures.append(matching_figure(few, evaluation.folder / "matching.png"))
    return Outcome(findings, figures)


def _units(evaluation: Evaluation) -> list[Finding]:
    """Return the fractions of units that code what happened, and the worth of the targets."""
    record = evaluation.record(episodes=min(HIDDEN, evaluation.episodes), hidden=True)
    variables = history_variables(record["action"], record["reward"])
    worth = baited(record["action"].astype(np.int64), record["task.p"])
    variables["value of target 1 less target 0"] = (worth[..., 1] - worth[..., 0])[:, :, 1:]
    tested = selectivity(record["hidden"][:, :, 1:], variables)
    neurons = {"value of target 1 less target 0": 0.58}
    return [
        finding(
            f"units that code {name}",
            tested.fraction[:, k],
            other=neurons.get(name),
            note="other: prefrontal neurons, Tsutsui et al. 2016"
            if name in neurons
            else "fraction",
        )
        for k, name in enumerate(tested.names)
    ]


EXPERIMENT = Experiment(
    name="wang2018-foraging",
    summary="choices at two baited targets follow the matching law",
    reference="Wang et al. 2018, Nature Neuroscience 21:860, simulation 1",
    conditions={
        "default": cfg.Settings(
            cfg.EnvironmentSpec(
                "prefrontal/Foraging-v0", ("action", "centred_reward", "time"), {"trials": 100}
            ),
            cfg.NetworkConfig(),
            cfg.A2CConfig(learning_rate=1e-2, discount=0.6),
            cfg.TrainingConfig(num_envs=16, total_steps=1_500_000),
        )
    },
    measure=measure,
    levels=levels,
)
