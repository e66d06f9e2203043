"""``python -m prefrontal`` is the command `prefrontal`."""

from prefrontal.command import entry

if __name__ == "__main__":
    entry()
