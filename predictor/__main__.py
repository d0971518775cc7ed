"""`python -m predictor`."""

from predictor.commands import main

main(prog_name="python -m predictor")
