"""Figures of evolution are written, with several conditions and with bars."""

import numpy as np

from prefrontal.analysis.figures import evolution as figures


def test_figures_are_written(tmp_path):
    rng = np.random.default_rng(4)
    curve = rng.random((30, 3))
    x = np.arange(30)
    groups = {name: {"after learning": curve, "before learning": curve / 2} for name in "abcd"}
    switch = {"plasticity on": curve, "plasticity off": curve / 2}
    paths = [
        figures.fitness_by_generation(x, groups, tmp_path / "fitness.png", references={"top": 1.0}),
        figures.gene_curves(
            x,
            {"learning rate": {"a": curve, "b": curve}, "discount": {"a": curve, "b": curve}},
            tmp_path / "genes.png",
            ["learning rate"],
            {"discount": 0.9},
        ),
        figures.plasticity_curves(
            {"evolved": switch, "meta-RL": switch},
            tmp_path / "plasticity.png",
            break_after=20,
        ),
        figures.allele_frequencies(
            {"learning": {"right": curve, "wrong": curve, "undecided": curve}},
            tmp_path / "alleles.png",
            {(20, "undecided"): (0.29, 0.35)},
        ),
    ]
    assert all(path.stat().st_size > 3000 for path in paths)
