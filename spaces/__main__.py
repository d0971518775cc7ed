"""Run the command line as `python -m spaces`."""

from spaces.commands import main

main(prog_name="python -m spaces")
