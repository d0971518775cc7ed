"""The `pathfit` command: the commands of all packages in one group."""

from __future__ import annotations

import click

from spaces import __version__
from spaces.console.group import Group

COMMANDS = {
    "quickstart": ("service.quickstart.command:quickstart", "Run all steps once on this machine."),
    "run": (
        "oneshot.commands.pipeline:run",
        "Run a file of stages, from profiling to measured networks.",
    ),
    "pipeline": (
        "oneshot.commands.pipeline:pipeline",
        "Check and sample pipelines, and convert those of aw_nas.",
    ),
    "spaces": ("spaces.commands:main", "Inspect search spaces and convert architectures."),
    "tables": (
        "tables.commands:main",
        "Inspect lookup tables and estimate costs of networks.",
    ),
    "profiler": ("profiler.commands:main", "Measure blocks and networks on a device."),
    "predictor": ("predictor.commands:main", "Train and test predictors of accuracy."),
    "oneshot": (
        "oneshot.commands:main",
        "Train a supernet, search it, retrain and export its networks.",
    ),
    "list": (
        "service.commands.list_:list_",
        "List spaces, strategies and other entries with their options.",
    ),
    "service": (
        "service.commands:main",
        "Serve searches over HTTP, request them and operate the service.",
    ),
}
"""Command name -> import path of the command and its one-line help."""


@click.group("pathfit", cls=Group, lazy=COMMANDS)
@click.version_option(__version__, message="pathfit %(version)s")
def main() -> None:
    """Find the neural network that fits a device."""
