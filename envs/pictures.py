"""Pictures of episodes in plain NumPy: a scene, and choices and rewards so far below it.

Pictures are uint8 ``[height, width, 3]``. Drawing changes them in place; places are (x, y) in
pixels from the upper left, and what lies outside is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Colour = tuple[int, int, int]
Point = tuple[float, float]

WIDTH, HEIGHT = 400, 300
TOP, SCENE = 28, 172  # pixels: the line of text above a scene, and the scene
PAPER, FAINT, SHADE, INK = (255, 255, 255), (236, 236, 232), (168, 168, 164), (40, 40, 46)
LINE = (216, 216, 212)
GOOD, BAD, BLUE, ORANGE = (0, 148, 100), (204, 70, 40), (0, 114, 178), (230, 159, 0)
COLUMNS = 100  # of the strip of steps: what was longer ago leaves it

#: Characters of 5 rows of 3 dots, each row a number in binary.
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ./-+ "
DOTS = (
    "75557 26227 71747 71717 55711 74717 74757 71111 75757 75717 "
    "25755 65656 34443 65556 74647 74644 34553 55755 72227 11152 55655 44447 57755 "
    "65555 25552 65644 25563 65655 34216 72222 55557 55552 55775 55255 55222 71247 "
    "00002 11244 00700 02720 00000"
)
FONT = dict(zip(CHARACTERS, DOTS.split(), strict=True))


def blank(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return an empty picture."""
    return np.full((height, width, 3), 255, dtype=np.uint8)


def box(picture: np.ndarray, corner: Point, size: Point, colour: Colour, border: int = 0) -> None:
    """Draw a rectangle from its upper left corner: filled, or a border of some pixels inside."""
    (left, top), (right, bottom) = corner, np.add(corner, size)
    part = picture[max(round(top), 0) : round(bottom), max(round(left), 0) : round(right)]
    inside = part[border:-border, border:-border].copy() if border else None
    part[:] = colour
    if inside is not None:
        part[border:-border, border:-border] = inside


def stroke(
    picture: np.ndarray, start: Point, end: Point, colour: Colour, width: float = 2.0
) -> None:
    """Draw a straight line with round ends, smooth at its edges."""
    (x0, y0), (x1, y1), reach = start, end, width / 2 + 1
    left, top = (max(math.floor(min(ends) - reach), 0) for ends in ((x0, x1), (y0, y1)))
    right, bottom = (max(math.ceil(max(ends) + reach), 0) for ends in ((x0, x1), (y0, y1)))
    part = picture[top : bottom + 1, left : right + 1]
    y = np.arange(top - y0, top - y0 + part.shape[0] - 0.5, dtype=np.float32)[:, None]
    x = np.arange(left - x0, left - x0 + part.shape[1] - 0.5, dtype=np.float32)
    dx, dy = x1 - x0, y1 - y0
    along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    distance = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
    cover = np.clip(width / 2 + 0.5 - distance, 0, 1)[..., None]
    part[:] = part + cover * (np.array(colour, np.float32) - part) + 0.5


def disc(picture: np.ndarray, centre: Point, radius: float, colour: Colour) -> None:
    """Draw a disc."""
    stroke(picture, centre, centre, colour, 2 * radius)


def letters(text: str) -> np.ndarray:
    """Return text as dots, bool ``[5, 4 x characters - 1]``."""
    rows = np.array([[int(dots) for dots in FONT.get(one, FONT[" "])] for one in text.upper()])
    dots = rows[..., None] >> np.array([3, 2, 1, 0]) & 1  # a gap to the left of each character
    return np.concatenate(list(dots.astype(bool)), axis=1)[:, 1:]


def write(
    picture: np.ndarray, centre: Point, text: str, colour: Colour = INK, scale: int = 2
) -> None:
    """Write a line of capital letters and digits about a point; other characters are gaps."""
    ink = letters(text).repeat(scale, axis=0).repeat(scale, axis=1)
    left, top = (max(round(c - n / 2), 0) for c, n in zip(centre, ink.shape[::-1], strict=True))
    part = picture[top : top + ink.shape[0], left : left + ink.shape[1]]
    part[ink[: part.shape[0], : part.shape[1]]] = colour


def short(value: float) -> str:
    """Write a number in few characters."""
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.4g}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if text.removeprefix("-").startswith("0.") else text


def reward_colours(rewards: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Return uint8 ``[t, 3]``: green for gains, red for losses, strong where large; else grey."""
    low, high = bounds
    gain, loss = (np.clip(rewards / (end or 1.0), 0, 1)[:, None] for end in (high, low))
    gain, loss = (np.where(part > 0, 0.35 + 0.65 * part, 0) for part in (gain, loss * (low < 0)))
    mixed = np.array(SHADE) * (1 - gain - loss) + np.array(GOOD) * gain + np.array(BAD) * loss
    return np.round(mixed.clip(0, 255)).astype(np.uint8)


def coin(picture: np.ndarray, centre: Point, reward: float, bounds: tuple[float, float]) -> None:
    """Draw what was paid."""
    colour = tuple(reward_colours(np.array([reward]), bounds)[0].tolist())
    disc(picture, centre, 15, colour)
    write(picture, centre, short(reward), PAPER)


def strip(
    picture: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    *,
    steps: int,
    num_actions: int,
    bounds: tuple[float, float],
) -> None:
    """Fill a picture with a column a step and a row an action, coloured by what was paid.

    Args:
        picture: What is filled.
        actions: Of the steps so far ``[t]``; not used if they are continuous.
        rewards: ``[t]``.
        steps: Steps of an episode.
        num_actions: 0 if continuous; then there is one row.
        bounds: Smallest and largest reward.
    """
    columns = min(steps, COLUMNS)
    first = max(len(rewards) - columns, 0)
    rewards = rewards[first:]
    cells = np.full((max(num_actions, 1), columns, 3), FAINT, dtype=np.uint8)
    row = actions[first:] if num_actions else np.zeros(len(rewards), dtype=int)
    cells[row, np.arange(len(rewards))] = reward_colours(rewards, bounds)
    height, width = picture.shape[:2]
    y, x = np.arange(height) * len(cells) // height, np.arange(width) * columns // width
    picture[:] = cells[:, x][y]
    for axis, index, count in ((0, y, len(cells)), (1, x, columns)):
        if picture.shape[axis] >= 4 * count:  # gaps between cells
            gaps = np.flatnonzero(np.diff(index))
            picture[(slice(None),) * axis + (gaps,)] = PAPER


def bars(
    picture: np.ndarray,
    values: Sequence[float],
    bounds: tuple[float, float],
    chosen: int | None = None,
    reward: float = 0.0,
) -> None:
    """Draw what each action is worth as a bar, and a coin on the one that was chosen."""
    height, width = picture.shape[:2]
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    slot, base, span = (width - 20) / len(values), height - 22, height - 62
    for action, value in enumerate(values):
        left, wide = 10 + slot * (action + 0.5) - min(0.35 * slot, 40), min(0.7 * slot, 80)
        top = base - span * (value - low) / (high - low)
        box(picture, (left, base - span), (wide, span), FAINT)
        box(picture, (left, top), (wide, base - top), BLUE)
        if len(values) <= 12:
            write(picture, (left + wide / 2, base + 13), str(action))
            above = top - base + span > 20
            place = left + wide / 2, top + (-10 if above else 10)
            write(picture, place, short(value), INK if above else PAPER, 2 if wide > 40 else 1)
        if action == chosen:
            box(picture, (left - 4, base - span - 4), (wide + 8, span + 8), INK, border=2)
            coin(picture, (left + wide / 2, 16), reward, bounds)


def choices(
    picture: np.ndarray,
    pair: Callable[[int], tuple[np.ndarray, np.ndarray, int]],
    trials: int,
    actions: np.ndarray,
    rewards: np.ndarray,
    bounds: tuple[float, float],
) -> None:
    """Draw the pair of the last choice, with its reward, and the pair to choose from now.

    Args:
        picture: What is drawn into.
        pair: Gives the cards of a trial, left and right, and which of them pays more (0 or 1); a
            dot marks it.
        trials: How many there are.
        actions: Choices so far ``[t]``.
        rewards: ``[t]``.
        bounds: Smallest and largest reward.
    """
    t = len(actions)
    for panel, trial in enumerate((t - 1, t)):
        if not 0 <= trial < trials:
            continue
        *looks, better = pair(trial)
        middle = 100 + 200 * panel
        write(picture, (middle, 10), "now" if panel else "last choice", SHADE)
        for side, look in enumerate(looks):
            x, size = middle - 44 + 88 * side, len(look)
            corner = x - size // 2, 36
            picture[36 : 36 + size, corner[0] : corner[0] + size] = look
            box(picture, (corner[0] - 1, corner[1] - 1), (size + 2, size + 2), SHADE, border=1)
            if side == better:
                disc(picture, (x, 124), 5, GOOD)
            if not panel and side == actions[-1]:
                box(picture, (corner[0] - 6, corner[1] - 6), (size + 12, size + 12), INK, border=4)
                coin(picture, (x, 150), float(rewards[-1]), bounds)


def card(colour: Colour | np.ndarray, text: str = "", size: int = 72) -> np.ndarray:
    """Return an object of one colour, with text on it as large as it can be."""
    picture = np.full((size, size, 3), colour, dtype=np.uint8)
    if text:
        scale = max(1, (size - 12) // max(letters(text).shape))
        write(picture, (size / 2, size / 2), text, INK, scale)
    return picture


def emblem(number: int, size: int = 72) -> np.ndarray:
    """Return a pattern that stands for an object without a look, the same for the same number."""
    rng = np.random.default_rng(number)
    half = rng.random((6, 3)) < 0.55
    colour = np.round(rng.uniform(30, 200, 3)).astype(np.uint8)
    dots = np.concatenate([half, half[:, ::-1]], axis=1).repeat(size // 6, 0).repeat(size // 6, 1)
    return np.where(dots[..., None], colour, np.uint8(250))


def two_stages(
    picture: np.ndarray,
    worth: np.ndarray,
    commonly: float,
    path: tuple[int | None, int | None, int | None],
    paid: tuple[float, tuple[float, float]] | None,
) -> None:
    """Draw two first-stage actions, the transitions to two states, and what the states pay.

    Args:
        picture: What is drawn into.
        worth: Probability of a reward in each state ``[2, k]``, one for each second action.
        commonly: Probability of a common transition.
        path: First action, state reached, second action; None for what is not done yet.
        paid: Reward and its bounds, if anything was paid.
    """
    first, reached, second = path
    x, above, below = (120, 280), 26, 120
    for action in (0, 1):
        for state in (0, 1):
            width = 2 + 6 * (commonly if action == state else 1 - commonly)
            taken = (action, state) == (first, reached)
            colour = ORANGE if taken else LINE
            stroke(picture, (x[action], above), (x[state], below), colour, width + 2 * taken)
    for action in (0, 1):
        disc(picture, (x[action], above), 20, ORANGE if action == first else SHADE)
        write(picture, (x[action], above), f"A{action}", PAPER)
    for state in (0, 1):
        here = state == reached
        corner = x[state] - 40, below - 24
        box(picture, corner, (80, 68), PAPER)
        box(picture, corner, (80, 68), ORANGE if here else SHADE, border=4 if here else 2)
        wide = 64 / worth.shape[1]
        for action, value in enumerate(worth[state]):
            left = x[state] - 32 + wide * action
            box(picture, (left + 1, below + 37 - 54 * value), (wide - 2, 54 * value), BLUE)
            if here and action == second:
                box(picture, (left, below - 18), (wide, 56), INK, border=2)
        write(picture, (x[state] + (60 if state else -60), below + 10), f"S{state}", SHADE)
    if paid is not None and reached is not None:
        coin(picture, (x[reached] + (95 if reached else -95), below + 10), *paid)
