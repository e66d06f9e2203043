"""The path of one firefly episode from above, as a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from prefrontal.envs.navigation_laws import UNIT, ZONE
from prefrontal.envs.task import Params, State

SIZE, DOTS = 4.0, 100  # inches, dots an inch
PATH, TARGET, INK = "#0072B2", "#E69F00", "#222222"


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    poses, origins, trials = (
        np.stack([tensor[..., row].numpy(force=True) for tensor in tensors])
        for tensors in zip(*state["path"], [state[n] for n in ("pose", "origin", "trial")], strict=True)
    )  # fmt: skip
    points = np.concatenate([world(o, p[None, :2]) for o, p in zip(origins, poses, strict=True)])
    last = len(state["targets"]) - 1  # trials count on when all is over
    frames = origins[np.flatnonzero(np.diff(trials.clip(max=last), prepend=-1))]
    shown = state["targets"][: len(frames), :, row].numpy(force=True)
    targets = np.concatenate([world(o, p[None]) for o, p in zip(frames, shown, strict=True)])
    heading = float(poses[-1, 2] + origins[-1, 2])

    figure = Figure(figsize=(SIZE, SIZE), dpi=DOTS, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes: Any = figure.subplots()
    for number, place in enumerate(targets):
        axes.add_patch(Circle(tuple(place), ZONE, color=TARGET, alpha=0.25, linewidth=0))
        axes.plot(*place, marker="*", markersize=9, color=TARGET)
        if len(targets) > 1:
            axes.annotate(str(number + 1), place, xytext=(5, 5), textcoords="offset points")
    axes.plot(points[:, 0], points[:, 1], color=PATH, marker=".", markersize=3, linewidth=1.5)
    axes.plot(*points[0], marker="o", color=INK, markersize=4)
    axes.plot(*points[-1], marker=(3, 0, math.degrees(heading) - 90.0), color=PATH, markersize=11)
    places = np.concatenate([points, targets])
    centre = (places.min(axis=0) + places.max(axis=0)) / 2.0
    half = max(250.0, float(np.ptp(places, axis=0).max()) / 2.0 + 1.5 * ZONE)
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
    axes.set(xlabel="cm", ylabel="cm", aspect="equal")
    gain = float(params["gain"][row])
    axes.set_title(f"step {state['t']}, gain {gain:.2g}", fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
