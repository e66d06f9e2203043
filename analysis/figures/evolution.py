"""Figures of evolution: fitness before and after learning, genes, alleles, and learning with plasticity on and off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from prefrontal.analysis.figures.style import (
    FAINT,
    INK,
    PALETTE,
    colours,
    mean_and_members,
    new_figure,
    new_panels,
    reference_lines,
    save,
    style,
)

ALLELES = {"right": PALETTE[0], "wrong": PALETTE[1], "undecided": PALETTE[7]}


def fitness_by_generation(
    generation: ArrayLike,
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    ylabel: str = "fitness",
    references: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xlabel: str = "generation",
) -> Path:
    """Fitness over generations, one panel a condition: for example before and after learning.

    Args:
        generation: Generation of every point ``[G]``.
        groups: Condition to (name of a curve to values ``[G, M]``); the same names in all conditions.
        path: Where to write; the suffix gives the format.
        ylabel: What fitness is, with unit.
        references: Named horizontal lines.
        ylim: Limits of the vertical axis.
        xlabel: What is counted, if it is not generations.

    Returns:
        The path.
    """
    x = np.asarray(generation, dtype=np.float64)
    tones = colours(list(next(iter(groups.values()))))
    with style():
        figure, panels = new_panels(
            len(groups), 3, (2.5, 2.1), (1.0, 0.7), xlabel, ylabel, sharex=True, sharey=True
        )
        for axes, (condition, curves) in zip(panels, groups.items(), strict=True):
            for name, values in curves.items():
                mean_and_members(axes, x, values, tones[name], name)
            axes.set_title(condition)
            reference_lines(axes, references or {})
            axes.set_xlim(x.min(), x.max())
            if ylim is not None:
                axes.set_ylim(ylim)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        return save(figure, path)


def gene_curves(
    generation: ArrayLike,
    genes: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    logarithmic: Sequence[str] = (),
    defaults: Mapping[str, float] | None = None,
    xlabel: str = "generation",
) -> Path:
    """Mean gene of each population over generations, one panel a gene, one colour a condition.

    Args:
        generation: Generation of every point ``[G]``.
        genes: Gene to (condition to means over individuals ``[G, M]``).
        path: Where to write.
        logarithmic: Genes that are shown on a logarithmic axis.
        defaults: Gene to the value evolution started from, a dashed line.
        xlabel: What is counted, if it is not generations.

    Returns:
        The path.
    """
    x = np.asarray(generation, dtype=np.float64)
    tones = colours(list(next(iter(genes.values()))))
    with style():
        figure, panels = new_figure(1, len(genes), (0.8 + 2.2 * len(genes), 2.9))
        for axes, (gene, conditions) in zip(panels, genes.items(), strict=True):
            for condition, values in conditions.items():
                mean_and_members(axes, x, values, tones[condition], condition)
            if defaults and gene in defaults:
                reference_lines(axes, {"start": defaults[gene]})
            if gene in logarithmic:
                axes.set_yscale("log")
            axes.set(xlabel=xlabel, title=gene)
            axes.set_xlim(x.min(), x.max())
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
        return save(figure, path)


def plasticity_curves(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    chance: float = 0.5,
    break_after: int | None = None,
    ylabel: str = "fraction correct",
) -> Path:
    """Accuracy by trial with plasticity on and off, one panel an agent.

    Args:
        groups: Agent to (name of a curve, for example "plasticity on", to accuracy by trial ``[N, M]``).
        path: Where to write.
        chance: Accuracy of guessing.
        break_after: Trial after which learning ends and evaluation begins, if the curves hold both.
        ylabel: What the curves show.

    Returns:
        The path.
    """
    tones = colours(list(next(iter(groups.values()))))
    with style():
        figure, panels = new_figure(1, len(groups), (0.8 + 3.0 * len(groups), 3.1), sharey=True)
        for axes, (agent, curves) in zip(panels, groups.items(), strict=True):
            trials = 1
            for name, values in curves.items():
                curve = np.asarray(values, dtype=np.float64)
                trials = len(curve)
                mean_and_members(axes, np.arange(1, trials + 1), curve, tones[name], name)
            if break_after is not None:
                axes.axvspan(break_after + 0.5, trials + 0.5, color=FAINT, alpha=0.5, linewidth=0)
            reference_lines(axes, {"chance": chance})
            axes.set(xlabel="trial", title=agent)
            axes.set_xlim(0.5, trials + 0.5)
        panels[0].set_ylim(0, 1.02)
        panels[0].set_ylabel(ylabel)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        return save(figure, path)


def allele_frequencies(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    path: Path,
    bars: Mapping[tuple[int, str], tuple[float, float]] | None = None,
) -> Path:
    """Frequencies of right, wrong and undecided alleles over generations (Hinton & Nowlan 1987, figure 2).

    Args:
        groups: Condition to (allele to frequency ``[G, M]``).
        path: Where to write.
        bars: (generation, allele) to the range that the mean is expected in.

    Returns:
        The path.
    """
    with style():
        figure, panels = new_figure(1, len(groups), (1.0 + 2.7 * len(groups), 3.1), sharey=True)
        for axes, (condition, alleles) in zip(panels, groups.items(), strict=True):
            last = 1
            for name, values in alleles.items():
                curves = np.asarray(values, dtype=np.float64)
                last = len(curves) - 1
                mean_and_members(axes, np.arange(last + 1), curves, ALLELES.get(name, INK), name)
            axes.set(xlabel="generation", title=condition)
            axes.set_xlim(0, last)
        for (generation, allele), (low, high) in (bars or {}).items():
            panels[0].plot(
                [generation] * 2, [low, high], color=ALLELES.get(allele, INK), linewidth=5.0, alpha=0.45,
                solid_capstyle="butt",
            )  # fmt: skip
        panels[0].set_ylim(0, 1)
        panels[0].set_ylabel("relative frequency of alleles")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return save(figure, path)
