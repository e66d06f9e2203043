"""Command lines drawn at random from a seed, of every command, with extreme values."""

import random
from collections.abc import Callable
from pathlib import Path

from prefrontal import command

FILES = {
    "raises": "raise RuntimeError('no')",
    "leaves": "import sys\nsys.exit(3)",
    "lacks": "import nothing_like_it",
    "unwritten": "def f(:\n",
    "empty": "",
}
WHATS = [
    "wang2016-bandit",
    "hinton-nowlan-1987",
    "zhang2024-modularity",
    "course-baldwin-harlow",
    "bandit-ablations",
    "CartPole-v1",
    "Pendulum-v1",
    "phys2d/CartPole-v0",
    ".foo:X",
    "..:Y",
    "raises.py:X",
    "raises:X-v0",
    "leaves.py",
    "lacks.py:A",
    "unwritten.py:A",
    "empty.py:A",
    "",
    ":",
    "a:b:c",
    "~/no.py:X",
    "~nobody/x.py:Y",
    "\udcff\udcfe",
    "x" * 3000,
    "own/A-v0",
    "/dev/null",
    ".",
    "prefrontal/Harlow-v0",
    "json:loads",
    "os.path:join-v0",
]
VALUES = [
    *("", "0", "-1", "1", "2", "9" * 23, "9" * 5000, "1e999", "nan", "-inf", "10000000000", "1e3"),
    *("3000000", "1000000000", "1000000000000", "100000", "none", "true", "a b", "'\"`$(x)", "~"),
    *("~nobody", "~/x", "\udcff", "é", "x" * 3000, "\x1b[31m", "a\nb", "--seed", "-", "=", "a=b"),
    *("lstm", "run", "/proc/x", "/dev/null", "x=" + "[" * 900, "render_mode=3", "trials=5"),
]
TRAIN = [
    "task",
    "env-id",
    "core",
    "algorithm",
    "seed",
    "out",
    "resume",
    "device",
    "workers",
    "ray-address",
    "condition",
    "members",
    "num-envs",
    "total-steps",
    "snapshots",
    "trials",
    "inputs",
    "split",
    "env-kwargs",
    "hidden-size",
    "layout",
    "input-gain",
    "actor-reward",
    "embedding-size",
    "learning-rate",
    "discount",
    "replay",
    "replay-capacity",
    "critic",
    "passes",
    "scale",
    "memory",
    "individuals",
    "genes",
    "tasks",
    "no-such",
    "lerning-rate",
    "normalise-advantages",
    "help",
]
EVALUATE = [
    "split",
    "episodes",
    "seed",
    "json",
    "out",
    "record",
    "figures",
    "no-figures",
    "block",
    "stimulate",
    "task",
    "core",
    "study",
]
COMMANDS: list[tuple[str, Callable, list[str], list[str]]] = [
    ("train", command.train, WHATS, TRAIN),
    ("train", command.train, WHATS[:5], TRAIN),
    ("evaluate", command.evaluate, ["run", "run", "wang2016-bandit", *WHATS], EVALUATE),
    ("reproduce", command.reproduce, WHATS[6:], ["seed", "out", "ship", "x"]),
    ("list", command.show, ["all", "cores", "shipped", "x", ""], ["x", "help"]),
    ("new", command.new, ["task", "core", "study", "x", ""], ["file", "x"]),
    ("check", command.check, WHATS, ["x"]),
]


def write_files(folder: Path) -> None:
    """Write the modules that some command lines name."""
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)


def draw_words(seed: int) -> tuple[str, Callable, list[str]]:
    """Return a command by name and function, and the words after it."""
    draw = random.Random(seed)
    name, main, whats, options = draw.choice(COMMANDS)
    words = [] if draw.random() < 0.05 else [draw.choice(whats)]
    if name == "new":
        words.append(draw.choice(["made.py", "no/made.py", "x" * 300, "~nobody/x", "/proc/x.py"]))
    for _ in range(draw.choice([0, 1, 1, 2, 3])):
        option, value = draw.choice(options), draw.choice(VALUES)
        shape = draw.randrange(6)
        flag = [f"--{option}={value}"] if shape == 0 else [f"--{option}", value]
        words += flag[:1] if shape == 1 else flag
        if shape == 2:
            words += flag
    return name, main, words
