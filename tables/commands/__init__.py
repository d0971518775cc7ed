"""`python -m tables`: look at lookup tables and benchmarks, import those of others; one file a
command.
"""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "list": (
        "tables.commands.list_:list_",
        "List the tables that can be named, with their devices and conditions.",
    ),
    "benchmarks": (
        "tables.commands.benchmarks:benchmarks",
        "List the benchmarks, or show one; take evaluations out.",
    ),
    "import": (
        "tables.commands.import_:import_",
        "Make a lookup table or a benchmark of what others published.",
    ),
    "estimate": (
        "tables.commands.estimate:estimate",
        "Estimate the costs of an architecture by a table, as JSON.",
    ),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """What is known: lookup tables, what networks cost by them, benchmarks of trained networks."""
