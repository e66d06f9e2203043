"""Trained agents on recorded trials: what they would have done after the history of a subject.

`showing` finds out how a task shows its trials, `forcing` steps agents through recorded choices,
`read_out` makes of them a model of the chooser with parameters, to be fitted and compared.
"""
