"""Activity: what hidden states and reward prediction errors code.

``representation`` (principal components), ``similarity`` (dissimilarity matrices), ``decoding``
(linear read-outs, cross-validated over episodes), ``selectivity`` (which units code what) and
``dopamine`` (prediction errors by event and by the value they belong to).
"""
