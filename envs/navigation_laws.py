"""Laws of the firefly task: constants, targets, gains, velocity pulses, noise; and its picture."""

from __future__ import annotations

import itertools
import math

import numpy as np

from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.splits import bands, check_split
from prefrontal.envs.task import Params, State

UNIT = 400.0  # cm, the unit of lengths inside
DT = 0.1  # s
SPEEDS = (200.0 / UNIT, math.pi / 2.0)  # at gain 1: units/s, rad/s
DISTANCE = (100.0, 400.0)  # cm
ANGLE = 35.0  # degrees to either side
ZONE = 65.0  # cm
STILL = 0.1  # both components of the action below this: stop
SHAPE = 1.5  # the standard deviation of the shaped reward is ZONE / SHAPE
FLOOR, SCALE = 0.001, 10.0  # of the shaped reward

#: What a discrete joystick can do: nothing (stop), or forward slowly or fast and turning more or
#: less.
COMMANDS = (
    (0.0, 0.0),
    *((v, w) for v in (0.35, 1.0) for w in (-1.0, -0.35, -0.12, 0.0, 0.12, 0.35, 1.0)),
)

GAINS = (0.5, 4.0)
NEAR = 0.25  # held-out gains are at least this many octaves from 1

PULSE_STEPS, PULSE_WIDTH = 10, 2.0  # pulses last 1 s; standard deviation in steps
PULSES = {  # lowest and highest peak: cm/s and degrees/s
    "small": ((-200.0, 200.0), (-120.0, 120.0)),
    "large": ((-200.0, 800.0), (-180.0, 180.0)),
}
ONSETS = 11  # pulses start at step 0 .. 10 of a trial


def targets_from_uniform(uniform: Tensor) -> Tensor:
    """Place targets uniformly over the area of a sector ahead.

    Args:
        uniform: ``[..., 2]`` in [0, 1).

    Returns:
        ``[..., 2]`` cm: to the right, and ahead.
    """
    near, far = DISTANCE
    radius = (near**2 + (far**2 - near**2) * uniform[..., 0]).sqrt()
    angle = math.radians(ANGLE) * (2.0 * uniform[..., 1] - 1.0)
    return torch.stack([radius * angle.sin(), radius * angle.cos()], dim=-1)


def gains_from_uniform(uniform: Tensor, split: str, law: str, gains: tuple[float, ...]) -> Tensor:
    """Draw gains ``[n]`` from a list, if there is one, or by the law of a split.

    Args:
        uniform: ``[n]`` in [0, 1).
        split: ``"train"``, ``"held_out"`` or ``"all"``.
        law: ``"one"``: 1 in training; logarithmically uniform on [.5, 4] but a quarter of an octave
            and more from 1 when held out; either with equal probability in ``"all"``. ``"many"``:
            logarithmically uniform on [.5, 4], cut into 8 bands in the manner of
            `prefrontal.envs.splits`.
        gains: If any, one of these with equal probability, whatever the split and the law.
    """
    check_split(split)
    if gains:
        values = torch.tensor(gains, dtype=torch.float32, device=uniform.device)
        return values[(uniform * len(gains)).long().clamp_(max=len(gains) - 1)]
    low, high = (math.log2(gain) for gain in GAINS)
    if law == "many":
        return torch.exp2(low + (high - low) * bands(uniform, split)).clamp_(*GAINS)
    if split == "train":
        return torch.ones_like(uniform)
    known = torch.zeros_like(uniform, dtype=torch.bool) if split == "held_out" else uniform < 0.5
    rest = uniform if split == "held_out" else (2.0 * uniform - 1.0).clamp_(min=0.0)
    octave = low + (high - low - 2.0 * NEAR) * rest
    octave = torch.where(octave > -NEAR, octave + 2.0 * NEAR, octave)
    return torch.where(known, 1.0, torch.exp2(octave).clamp_(*GAINS))


def pulses_from_uniform(uniform: Tensor, kind: str) -> Tensor:
    """Draw pulses ``[..., 3]``: peaks in cm/s and degrees/s, and the step at which they start."""
    peaks = [low + (high - low) * uniform[..., i] for i, (low, high) in enumerate(PULSES[kind])]
    onset = (uniform[..., 2] * ONSETS).floor().clamp_(max=ONSETS - 1)
    return torch.stack([*peaks, onset], dim=-1)


def pulse_shape(since: Tensor) -> Tensor:
    """Return the height of a pulse, ``since`` steps after it began (0 .. 10, peak at 5)."""
    shape = (-0.5 * ((since - PULSE_STEPS / 2) / PULSE_WIDTH).square()).exp()
    return shape * ((since >= 0) & (since <= PULSE_STEPS))


def moved(pose: Tensor, velocity: Tensor) -> Tensor:
    """Move poses ``[3, n]`` (x, y, heading) by velocities ``[2, n]``, the heading last."""
    (x, y, heading), (v, w) = pose, velocity
    return torch.stack([x + v * heading.cos() * DT, y + v * heading.sin() * DT, heading + w * DT])


def new_origin(origin: Tensor, pose: Tensor) -> Tensor:
    """Put a frame ``[3, n]`` where the agent is, from that of the trial and the pose in it."""
    x, y, turn = origin
    cos, sin = turn.cos(), turn.sin()
    place = (x + cos * pose[0] - sin * pose[1], y + sin * pose[0] + cos * pose[1])
    return torch.stack([*place, turn + pose[2] - math.pi / 2.0])


def shaped_reward(missed: Tensor) -> Tensor:
    """Reward of one who stops at this squared distance (units) from the target, for training."""
    width = ZONE / UNIT / SHAPE
    outside = (missed * (-0.5 / width**2)).exp().clamp_(min=FLOOR)
    return torch.where(missed < (ZONE / UNIT) ** 2, 1.0, outside) * SCALE


def normal_pairs(uniform: Tensor) -> Tensor:
    """Turn uniforms in [0, 1) into as many independent normal numbers (Box and Muller 1958).

    Args:
        uniform: ``[2 k, ...]``.

    Returns:
        ``[2 k, ...]``, below 5.8 in size for 24-bit uniforms.
    """
    first, second = uniform.chunk(2)
    radius = torch.log1p(-first).mul_(-2.0).sqrt_()
    angle = 2.0 * math.pi * second
    return torch.cat([radius * angle.cos(), radius * angle.sin()])


SIZE = 400  # pixels a side of a picture
PALE = (249, 231, 191)  # of reward zones


def world(origin: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Turn points ``[k, 2]`` of a trial's frame (units) into cm from where the episode began.

    Args:
        origin: ``[3]`` x, y (units) and turn (radians) of the frame.
        points: ``[k, 2]`` in the frame.
    """
    cos, sin = math.cos(origin[2]), math.sin(origin[2])
    turned = points @ np.array([[cos, sin], [-sin, cos]])
    return (turned + origin[:2]) * UNIT


def draw_path(params: Params, state: State, row: int) -> np.ndarray:
    """Draw targets that have appeared, their reward zones, the path so far and the agent.

    Args:
        params: Parameters of the episodes.
        state: Present state, with the ``path`` that led to it.
        row: Which episode.

    Returns:
        ``[400, 400, 3]`` uint8.
    """
    poses, origins, trials = (
        np.stack([tensor[..., row].numpy(force=True) for tensor in tensors])
        for tensors in zip(
            *state["path"], [state[n] for n in ("pose", "origin", "trial")], strict=True
        )
    )
    points = np.concatenate([world(o, p[None, :2]) for o, p in zip(origins, poses, strict=True)])
    last = len(state["targets"]) - 1  # trials count on when all is over
    frames = origins[np.flatnonzero(np.diff(trials.clip(max=last), prepend=-1))]
    shown = state["targets"][: len(frames), :, row].numpy(force=True)
    targets = np.concatenate([world(o, p[None]) for o, p in zip(frames, shown, strict=True)])
    heading = float(poses[-1, 2] + origins[-1, 2])

    places = np.concatenate([points, targets])
    centre = (places.min(axis=0) + places.max(axis=0)) / 2.0
    half = max(250.0, float(np.ptp(places, axis=0).max()) / 2.0 + 1.5 * ZONE)
    scale = SIZE / (2.0 * half)  # pixels a cm

    def at(place: np.ndarray) -> tuple[float, float]:
        x, y = (place - centre) * scale
        return SIZE / 2.0 + x, SIZE / 2.0 - y

    picture = pictures.blank(SIZE, SIZE)
    for place in targets:
        pictures.disc(picture, at(place), ZONE * scale, PALE)
    for number, place in enumerate(targets):
        pictures.disc(picture, at(place), 5.0, pictures.ORANGE)
        if len(targets) > 1:
            x, y = at(place)
            pictures.write(picture, (x + 14.0, y - 12.0), str(number + 1))
    for one, other in itertools.pairwise(points):
        pictures.stroke(picture, at(one), at(other), pictures.BLUE, 3.0)
    pictures.disc(picture, at(points[0]), 4.0, pictures.INK)
    x, y = at(points[-1])
    nose = x + 14.0 * math.cos(heading), y - 14.0 * math.sin(heading)
    pictures.stroke(picture, (x, y), nose, pictures.BLUE, 5.0)
    pictures.disc(picture, (x, y), 7.0, pictures.BLUE)
    gain = float(params["gain"][row])
    pictures.write(picture, (SIZE / 2.0, 12.0), f"step {state['t']}   gain {gain:.2g}")
    metre = 100.0 * scale
    pictures.stroke(picture, (14.0, SIZE - 14.0), (14.0 + metre, SIZE - 14.0), pictures.INK)
    pictures.write(picture, (14.0 + metre / 2.0, SIZE - 24.0), "100 CM", scale=1)
    return picture
