"""Entry point of `python -m profiler`."""

from profiler.commands import main

main(prog_name="python -m profiler")
