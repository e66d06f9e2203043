"""Figures of evolution: fitness, genes, alleles, and learning with plasticity on and off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from prefrontal.analysis.figures import style

ALLELES = {"right": style.PALETTE[0], "wrong": style.PALETTE[1], "undecided": style.PALETTE[7]}


def fitness_by_generation(
    generation: ArrayLike,
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    ylabel: str = "fitness",
    references: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xlabel: str = "generation",
) -> Path:
    """Draw fitness over generations, one panel a condition: for example before and after learning.

    Args:
        generation: Generation of every point ``[G]``.
        groups: Condition to (name of a curve to values ``[G, M]``); the same names in all.
        path: Where to write, in the format of its suffix; returned.
        ylabel: What fitness is, with unit.
        references: Named horizontal lines.
        ylim: Limits of the vertical axis.
        xlabel: What is counted, if it is not generations.
    """
    canvas = style.drawing(
        path, len(groups), (2.5, 2.1), (1.0, 0.7), 3, xlabel, ylabel, **style.SHARED
    )
    with canvas as (figure, panels):
        for axes, (condition, curves) in zip(panels, groups.items(), strict=True):
            x = style.draw_curves(axes, curves, generation)
            style.reference_lines(axes, references)
            axes.set(title=condition, xlim=(x.min(), x.max()))
            if ylim is not None:
                axes.set_ylim(ylim)
        style.legend_below(figure, len(next(iter(groups.values()))))
    return path


def gene_curves(
    generation: ArrayLike,
    genes: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    logarithmic: Sequence[str] = (),
    defaults: Mapping[str, float] | None = None,
    xlabel: str = "generation",
) -> Path:
    """Draw the mean gene of each population over generations, a panel a gene, a colour a condition.

    Args:
        generation: Generation of every point ``[G]``.
        genes: Gene to (condition to means over individuals ``[G, M]``).
        path: Where to write; returned.
        logarithmic: Genes that are shown on a logarithmic axis.
        defaults: Gene to the value evolution started from, a dashed line.
        xlabel: What is counted, if it is not generations.
    """
    canvas = style.drawing(path, len(genes), (2.2, 2.9), (0.8, 0.0), None, xlabel)
    with canvas as (figure, panels):
        for axes, (gene, conditions) in zip(panels, genes.items(), strict=True):
            x = style.draw_curves(axes, conditions, generation)
            if defaults and gene in defaults:
                style.reference_lines(axes, {"start": defaults[gene]})
            if gene in logarithmic:
                axes.set_yscale("log")
            axes.set(title=gene, xlim=(x.min(), x.max()))
        style.legend_below(figure, min(4, len(next(iter(genes.values())))))
    return path


def plasticity_curves(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    chance: float = 0.5,
    break_after: int | None = None,
    ylabel: str = "fraction correct",
) -> Path:
    """Draw accuracy by trial with plasticity on and off, one panel an agent.

    Args:
        groups: Agent to (name of a curve, such as "plasticity on", to accuracy by trial
            ``[N, M]``).
        path: Where to write; returned.
        chance: Accuracy of guessing.
        break_after: Trial after which learning ends and evaluation begins, if the curves hold both.
        ylabel: What the curves show.
    """
    canvas = style.drawing(
        path, len(groups), (3.0, 3.1), (0.8, 0.0), None, "trial", ylabel, sharey=True
    )
    with canvas as (figure, panels):
        for axes, (agent, curves) in zip(panels, groups.items(), strict=True):
            end = style.draw_curves(axes, curves)[-1] + 0.5
            if break_after is not None:
                axes.axvspan(break_after + 0.5, end, color=style.FAINT, alpha=0.5, linewidth=0)
            style.reference_lines(axes, {"chance": chance})
            axes.set(title=agent, xlim=(0.5, end))
        panels[0].set_ylim(0, 1.02)
        style.legend_below(figure, len(next(iter(groups.values()))))
    return path


def allele_frequencies(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    bars: Mapping[tuple[int, str], tuple[float, float]] | None = None,
) -> Path:
    """Draw frequencies of right, wrong and undecided alleles (Hinton & Nowlan 1987, figure 2).

    Args:
        groups: Condition to (allele to frequency by generation ``[G, M]``).
        path: Where to write; returned.
        bars: (generation, allele) to the range that the mean is expected in.
    """
    label = "relative frequency of alleles"
    canvas = style.drawing(
        path, len(groups), (2.7, 3.1), (1.0, 0.0), None, "generation", label, sharey=True
    )
    with canvas as (figure, panels):
        for axes, (condition, alleles) in zip(panels, groups.items(), strict=True):
            tones = {name: ALLELES.get(name, style.INK) for name in alleles}
            generation = style.draw_curves(axes, alleles, tones=tones, first=0)
            axes.set(title=condition, xlim=(0, generation[-1]))
        for (at, allele), ends in (bars or {}).items():
            look: Any = {"linewidth": 5.0, "alpha": 0.45, "solid_capstyle": "butt"}
            panels[0].plot([at, at], ends, color=ALLELES.get(allele, style.INK), **look)
        panels[0].set_ylim(0, 1)
        style.legend_below(figure, 3)
    return path
