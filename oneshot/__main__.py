"""Entry point of `python -m oneshot`."""

from oneshot.commands import main

main(prog_name="python -m oneshot")
