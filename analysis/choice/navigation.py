"""Where navigators stop, how they get there, and what their activity says of where they are.

Input are columns of a record of the firefly task, ``[M, E, T]`` (members, episodes, steps), as its
facts name them: ``trial``, ``clock``, ``active``, ``stopped``, ``ended``, ``rewarded``,
``distance``, ``x``, ``y``, ``end_x``, ``end_y``, ``target_x``, ``target_y``. Lengths are in cm,
angles in degrees, times in seconds. Positions are in the frame in which the target of the trial
appeared: the agent at the origin, facing +y. Steps that are not ``active`` (after the last stop)
count nowhere. A position that is missing (NaN) counts nowhere either, but how a trial ended has to
be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import codes, number, numbers
from prefrontal.analysis.stats.means import masked_mean
from prefrontal.analysis.stats.regression import ridge_decoder

Array = NDArray[np.float64]
Record = Mapping[str, NDArray]

AXES = ("member", "episode", "step")
STEP = 0.1  # s
SHIFTS = 20  # pairings of ends with the targets of other trials


@dataclass(frozen=True)
class Trials:
    """How every trial ended, ``[M, E, N]`` for N targets an episode.

    Attributes:
        end: Where, cm ``[M, E, N, 2]``.
        target: Where the target was, cm ``[M, E, N, 2]``.
        rewarded: Whether within the reward zone, by a stop.
        stopped: Whether by a stop; a time-out otherwise.
        duration: Seconds from the target's appearance until the stop was made, or until time was
            out.
    """

    end: Array
    target: Array
    rewarded: NDArray[np.bool_]
    stopped: NDArray[np.bool_]
    duration: Array

    @property
    def distance(self) -> Array:
        """Return the distance from the end to the target ``[M, E, N]``, cm."""
        return np.asarray(np.linalg.norm(self.end - self.target, axis=-1))


def ends_of_trials(record: Record) -> Trials:
    """Collect the step at which each trial ended.

    Args:
        record: Columns ``[M, E, T]``.

    Raises:
        ValueError: If a trial of some episode never ended, or how it ended is missing.
    """
    ended = codes("ended", record["ended"], 2, AXES, complete=True) == 1
    trial = codes("trial", record["trial"], axes=AXES, complete=True)
    count = int(trial.max()) + 1
    is_end = ended[..., None] & (trial[..., None] == np.arange(count))  # [M, E, T, N]
    if not (is_end.sum(axis=2) == 1).all():
        raise ValueError("every trial must end exactly once: the record was cut, or joined wrongly")
    step = is_end.argmax(axis=2)  # [M, E, N]

    def at_end(name: str) -> Array:
        found = np.take_along_axis(numbers(name, record[name], axes=AXES), step, axis=2)
        return numbers(f"{name} at the end", found, complete=True)

    stopped = at_end("stopped") > 0
    return Trials(
        end=np.stack([at_end("end_x"), at_end("end_y")], axis=-1),
        target=np.stack([at_end("target_x"), at_end("target_y")], axis=-1),
        rewarded=at_end("rewarded") > 0,
        stopped=stopped,
        duration=STEP * (at_end("clock") + ~stopped),
    )


def rewarded_fraction(trials: Trials) -> Array:
    """Return the fraction of the trials of each member that were rewarded ``[M]``."""
    return np.asarray(trials.rewarded.mean(axis=(1, 2)))


def reward_rate(trials: Trials, stop_takes_time: bool = False) -> Array:
    """Return the rewarded trials of each member in a second of trials ``[M]``.

    A trial takes until the stop is made, or all its time: the step of the stop takes no time. So it
    is in the published code (Zhang et al. 2024), which adds the index of the last step, counted
    from 0 (and so gives a trial of 35 steps without a stop 34; here it takes all 35).

    Args:
        trials: How trials ended.
        stop_takes_time: Whether the step of the stop counts too.
    """
    duration = trials.duration + STEP * (trials.stopped if stop_takes_time else 0.0)
    return np.asarray(trials.rewarded.sum(axis=(1, 2)) / duration.sum(axis=(1, 2)))


def radial_error(trials: Trials, kind: str = "radius") -> Array:
    """Return the signed error of each trial along the way ``[M, E, N]``, cm; above 0: too far.

    Args:
        trials: How trials ended.
        kind: ``"radius"``: distance travelled from the origin less that of the target. ``"signed
            distance"``: the whole distance from the target, whatever its direction, with the sign
            of the difference of two arcs, each tangent to the first heading and through end or
            target (the measure of Zhang et al. 2024; it is never small for one who is off to the
            side).

    Raises:
        ValueError: Another kind.
    """
    if kind == "radius":
        travelled, wanted = (np.linalg.norm(at, axis=-1) for at in (trials.end, trials.target))
        return np.asarray(travelled - wanted)
    if kind == "signed distance":
        short = arc_length(trials.end) < arc_length(trials.target)
        return np.where(short, -trials.distance, trials.distance)
    raise ValueError(f"kind must be 'radius' or 'signed distance'; got {kind!r}")


def arc_length(place: ArrayLike) -> Array:
    """Return the length of the circular arc that leaves the origin along +y and ends at a place.

    Args:
        place: ``[..., 2]``, any unit.

    Returns:
        ``[...]`` in that unit: d a / sin(a) for a place at distance d and at an angle a from +y.
    """
    x, y = np.moveaxis(numbers("place", place), -1, 0)
    angle = np.abs(np.arctan2(x, y))
    safe = np.where(angle > 1e-6, angle, 1.0)
    stretch = np.where(angle > 1e-6, safe / np.maximum(np.sin(safe), 1e-12), 1.0)
    return np.asarray(np.hypot(x, y) * stretch)


def angular_error(trials: Trials) -> Array:
    """Return the direction of the end less that of the target ``[M, E, N]``.

    In degrees, above -180 to 180; above 0: too far to the left.
    """

    def left(place: Array) -> Array:
        return np.asarray(np.arctan2(-place[..., 0], place[..., 1]))

    turn = np.degrees(left(trials.end) - left(trials.target))
    return np.asarray(180.0 - (180.0 - turn) % 360.0)


def boundary_auc(trials: Trials, shifts: int = SHIFTS) -> Array:
    """Return how well ends tell their own target from those of other trials ``[M]``; chance .5.

    As the radius R of a reward boundary grows from 0, the fraction of ends within R of their own
    target is plotted against the fraction within R of the target of another trial; this is the area
    under that curve (Zhang et al. 2024), which is the probability that the first distance is
    smaller. The other trials are those 1, 2 .. ``shifts`` places on, of the same member and place
    in the episode.

    Raises:
        ValueError: If there are no more episodes than shifts.
    """
    members, episodes, count = trials.stopped.shape
    if episodes <= shifts:
        raise ValueError(f"the boundary sweep needs more than {shifts} episodes, not {episodes}")
    own = trials.distance
    targets = [np.roll(trials.target, shift, axis=1) for shift in range(1, shifts + 1)]
    others = np.stack([np.linalg.norm(trials.end - at, axis=-1) for at in targets], axis=1)
    areas = np.empty((members, count))
    for m in range(members):
        for n in range(count):
            near, far = np.sort(own[m, :, n]), others[m, :, :, n].ravel()
            below = np.searchsorted(near, far, "left") + np.searchsorted(near, far, "right")
            areas[m, n] = below.mean() / (2 * episodes)
    return np.asarray(areas.mean(axis=1))


def mean_size(record: Record, name: str) -> Array:
    """Return the mean size of a column (the TD error: ``"rpe"``) over active steps ``[M]``."""
    size = np.abs(numbers(name, record[name], axes=AXES))
    return masked_mean(size, _active(record) & ~np.isnan(size), (1, 2))


@dataclass(frozen=True)
class Paths:
    """Shape of the path of every episode's trials together, ``[M, E]``.

    Attributes:
        length: Path length, cm.
        stretch: Path length over the straight way from origin to end (at least 1).
        curvature: Turning of the path a length, degrees a metre, whichever way it turns.
    """

    length: Array
    stretch: Array
    curvature: Array


def paths(record: Record) -> Paths:
    """Return lengths and curvatures of the paths of episodes, all trials of one together.

    Where nothing moved, stretch and curvature are NaN; where a position is missing, all three are.
    """
    active = _active(record)
    start, end = (
        np.stack([numbers(name, record[name], axes=AXES) for name in pair], axis=-1)
        for pair in (("x", "y"), ("end_x", "end_y"))
    )
    move = np.where(active[..., None], end - start, 0.0)
    step = np.linalg.norm(move, axis=-1)
    length = step.sum(axis=2)
    # TURNING between one movement and the next: the angle between them, where both are movements
    a, b = move[:, :, :-1], move[:, :, 1:]
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    dot = (a * b).sum(axis=-1)
    same = np.asarray(record["trial"])[:, :, 1:] == np.asarray(record["trial"])[:, :, :-1]
    both = same & (step[:, :, :-1] > 1e-6) & (step[:, :, 1:] > 1e-6)
    turning = np.degrees(np.where(both, np.abs(np.arctan2(cross, dot)), 0.0)).sum(axis=2)
    straight = np.linalg.norm(ends_of_trials(record).end, axis=-1).sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch, curvature = length / straight, turning / (length / 100.0)
    return Paths(length, np.where(straight > 0, stretch, np.nan), curvature)


def decode_place(
    train: Record, test: Record | None = None, part: float = 0.7, ridge: float = 1.0
) -> Array:
    """Return the error with which a linear decoder tells from activity where the agent is.

    Ridge regression of ``x`` and ``y`` on ``hidden`` at all active steps of the first ``part`` of
    the episodes of one record, tested on the other episodes of the same or of another record
    (another gain): a decoder that is trained at gain 1 and tested at gain 2 asks whether the *same
    code* still holds, one that is fitted anew only whether place can be decoded at all. No step is
    left out of the test.

    Args:
        train: Record with ``hidden [M, E, T, H]``.
        test: Record of the same members; the same one if None.
        part: Part of the episodes the decoder is fitted to.
        ridge: Penalty on standardised weights, in units of samples.

    Returns:
        Mean distance between decoded and true place ``[M]``, cm.

    Raises:
        ValueError: If there are no episodes to train on or to test with, or shapes disagree.
    """
    test = train if test is None else test
    episodes = int(part * train["hidden"].shape[1])
    if not 0 < episodes < min(train["hidden"].shape[1], test["hidden"].shape[1]):
        raise ValueError(f"part must leave episodes to train on and to test with; got {part}")
    errors = []
    for m in range(len(train["hidden"])):
        decode = ridge_decoder(*_samples(train, m, slice(None, episodes)), ridge)
        activity, place = _samples(test, m, slice(episodes, None))
        errors.append(np.linalg.norm(decode(activity) - place, axis=1).mean())
    return np.array(errors)


def _samples(record: Record, member: int, episodes: slice) -> tuple[Array, Array]:
    """Return activity ``[n, H]`` and place ``[n, 2]`` at the active steps of some episodes."""
    shapes = {np.shape(record[name])[:3] for name in ("hidden", "x", "y", "active")}
    if len(shapes) > 1:
        raise ValueError(f"hidden, x, y and active must share [M, E, T], got {sorted(shapes)}")
    active = _active(record)[member, episodes]
    given = [
        numbers(f"{name} of member {member}", record[name][member, episodes], axes=AXES[1:])[active]
        for name in ("hidden", "x", "y")
    ]
    activity, place = given[0], np.stack(given[1:], axis=-1)
    whole = ~(np.isnan(activity).any(axis=1) | np.isnan(place).any(axis=1))
    return activity[whole], place[whole]


def _active(record: Record) -> NDArray[np.bool_]:
    """Return which steps count ``[M, E, T]``."""
    return np.asarray(codes("active", record["active"], 2, AXES, complete=True) == 1)


def first_to(count: ArrayLike, values: ArrayLike, level: float) -> Array:
    """Return where a learning curve first reaches a level twice in a row.

    Args:
        count: Trials at each point ``[U, M]`` (or ``[U]``).
        values: The curves ``[U, M]``; a missing point reaches nothing.
        level: What to reach.

    Returns:
        Count at the first of two points in a row at or above the level ``[M]``; infinite if never,
        or if there is one point only.
    """
    curves = numbers("values", values, axes=("point", "member"))
    at = numbers("count", count, axes=("point", "member"), complete=True)
    at = np.broadcast_to(at.reshape(len(curves), -1), curves.shape)
    reached = curves >= number("level", level)
    if len(curves) < 2:
        return np.full(curves.shape[1], np.inf)
    both = reached[:-1] & reached[1:]
    first = at[both.argmax(axis=0), np.arange(curves.shape[1])]
    return np.where(both.any(axis=0), first, np.inf)
