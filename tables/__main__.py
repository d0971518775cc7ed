"""Entry point of `python -m tables`."""

from tables.commands import main

main(prog_name="python -m tables")
