"""`python -m tables`: commands for lookup tables and benchmarks, each in its own file."""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "list": (
        "tables.commands.list_:list_",
        "List the lookup tables with their devices and conditions.",
    ),
    "benchmarks": (
        "tables.commands.benchmarks:benchmarks",
        "List the benchmarks, show one, or write its results as evaluations.",
    ),
    "import": (
        "tables.commands.import_:import_",
        "Import a lookup table or a benchmark that others published.",
    ),
    "prune": (
        "tables.commands.prune:prune",
        "Leave out candidates that another one beats in latency and accuracy.",
    ),
    "estimate": (
        "tables.commands.estimate:estimate",
        "Estimate the costs of an architecture by a table, as JSON.",
    ),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Show and import lookup tables and benchmarks, and estimate costs of networks."""
