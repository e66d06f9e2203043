"""What every room of the agents may use.

Errors for people, seeds, returns, optimisers, a pool of worker processes, and dataclasses to and
from files.
"""
