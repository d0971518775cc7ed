"""Entry point of `python -m service`."""

from service.commands import main

main(prog_name="python -m service")
