"""Small simulated data in every format that is read, written by `make`.

``pilot.csv`` is the table of the tutorial in `docs/behaviour.md`, as an experiment left it;
``sides.csv`` is a two-step task whose choices are sides of the screen.
"""
