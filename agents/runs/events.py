"""What TensorBoard shows of a run beside its metrics: settings, known returns, an evaluation.

All of it is in event files of the run's own folder; no run is made below it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

RETURN = "rollout/return"  # the tag of the mean return of an episode
_EVALUATION = ".evaluation"  # ending of the event file of the last evaluation


def write_start(writer: Any, job: Any, levels: Mapping[str, float]) -> None:
    """Write hyper-parameters, and known returns as curves in one chart with the return.

    Which results TensorBoard shows beside the hyper-parameters is left to it: all scalars of the
    run, those of its evaluation too.

    Args:
        writer: ``SummaryWriter`` of the run.
        job: What is trained (`prefrontal.agents.base.Job`).
        levels: Known returns of an episode by name: "optimum", "chance".
    """
    from torch.utils.tensorboard.summary import hparams

    _, *parts = hparams(hyper_parameters(job), {})  # the first would say which results
    for part in parts:
        writer.file_writer.add_summary(part)
    for name, value in levels.items():
        for step in (0, job.total_steps):
            writer.add_scalar(f"levels/{name}", value, step)
    if levels:
        tags = [RETURN, *(f"levels/{name}" for name in levels)]
        writer.add_custom_scalars({"return": {"return of an episode": ["Multiline", tags]}})


def write_evaluation(
    folder: Path, findings: Mapping[str, float], table: str, figures: Iterable[Path], step: int
) -> None:
    """Write what an evaluation found, in place of what an earlier one did.

    Args:
        folder: The run's.
        findings: Measured numbers by name; those that are not finite are left out.
        table: All of the findings, in Markdown.
        figures: PNG files.
        step: Environment steps after which it was found.
    """
    import numpy as np
    from matplotlib.image import imread
    from torch.utils.tensorboard import SummaryWriter

    for old in folder.glob(f"events.out.tfevents.*{_EVALUATION}"):
        old.unlink()
    with SummaryWriter(str(folder), filename_suffix=_EVALUATION) as writer:
        for name, value in findings.items():
            if math.isfinite(value):
                writer.add_scalar(f"evaluation/{name}", value, step)
        writer.add_text("evaluation/findings", table, step)
        for path in figures:
            pixels = np.asarray(imread(path))[..., :3]
            writer.add_image(f"evaluation/{path.stem}", pixels, step, dataformats="HWC")


def hyper_parameters(job: Any) -> dict[str, bool | int | float | str]:
    """Return all settings of a job under names such as ``algorithm/learning_rate``."""
    where = ("workers", "device", "ray_address")  # these decide nothing of what is learned
    return _flat({k: v for k, v in dataclasses.asdict(job).items() if k not in where})


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, bool | int | float | str]:
    """Return nested settings under names such as ``algorithm/learning_rate``."""
    found: dict[str, bool | int | float | str] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{before}{name}/")
        else:
            plain = isinstance(value, bool | int | float | str)
            found[before + name] = value if plain else str(value)
    return found
