"""Fits of models to choices: maximum likelihood, maximum a posteriori, hierarchies, comparison."""
