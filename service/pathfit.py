"""`pathfit`: every command of every package under one name."""

from __future__ import annotations

import click

from spaces.console.group import Group

COMMANDS = {
    "quickstart": ("service.quickstart.command:quickstart", "The whole way once, on this machine."),
    "spaces": ("spaces.commands:main", "Search spaces: what a network can be."),
    "tables": (
        "tables.commands:main",
        "Lookup tables: what was measured, and what networks cost by it.",
    ),
    "profiler": ("profiler.commands:main", "Measure blocks and networks on a device."),
    "predictor": ("predictor.commands:main", "Train and test predictors of accuracy."),
    "oneshot": (
        "oneshot.commands:main",
        "Train a supernet, search it, retrain and export what was found.",
    ),
    "list": (
        "service.commands.list_:list_",
        "List strategies, spaces, backends and other entries with their options.",
    ),
    "service": ("service.commands:main", "Serve searches over HTTP, and ask for them."),
}
"""Name -> where the command is, and one line of help."""


@click.group("pathfit", cls=Group, lazy=COMMANDS)
@click.version_option(package_name="pathfit", message="pathfit %(version)s")
def main() -> None:
    """Pathfit finds the neural network that fits a device."""
