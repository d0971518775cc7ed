"""`python -m service`: serve searches, ask for them, and look after the service; one file a
command.
"""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "serve": ("service.commands.serve:serve", "Serve searches until stopped with Ctrl-C."),
    "search": (
        "service.commands.search:search",
        "Ask a service for the best networks that meet constraints.",
    ),
    "retrain": (
        "service.commands.retrain:retrain",
        "Have a service train a network that was found.",
    ),
    "jobs": ("service.commands.jobs:jobs", "List a service's jobs, newest first."),
    "cancel": ("service.commands.cancel:cancel", "Cancel searches and other jobs, by their ids."),
    "upload": (
        "service.commands.upload:upload",
        "Hand lookup tables and evaluations to a service.",
    ),
    "openapi": ("service.commands.openapi:openapi", "Write the API's OpenAPI file."),
    "token": (
        "service.commands.token:token",
        "Make, list and revoke the tokens that a service accepts.",
    ),
    "doctor": (
        "service.commands.doctor:doctor",
        "Look at everything that a service needs, running or not.",
    ),
    "backup": ("service.commands.backup:backup", "Write jobs and artifacts to one archive."),
    "gc": ("service.commands.gc:gc", "Remove jobs that ended long ago, with their artifacts."),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Serve searches over HTTP, ask for them, and look after the service."""
