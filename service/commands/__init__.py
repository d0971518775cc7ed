"""`python -m service`: serve searches, request them, and operate the service.

Each command has a file of its own.
"""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "serve": ("service.commands.serve:serve", "Serve searches until stopped with Ctrl-C."),
    "search": (
        "service.commands.search:search",
        "Request the best networks that meet constraints from a service.",
    ),
    "predictor": (
        "service.commands.predictor:predictor",
        "Train a predictor from evaluations at a service.",
    ),
    "retrain": (
        "service.commands.retrain:retrain",
        "Train a network at a service.",
    ),
    "pipeline": (
        "service.commands.pipeline:pipeline",
        "Run a pipeline at a service.",
    ),
    "agents": (
        "service.commands.agents:agents",
        "List the devices that measure for a service.",
    ),
    "build": (
        "service.commands.agents:build",
        "Have an agent build the table of a space on its device.",
    ),
    "refine": (
        "service.commands.refine:refine",
        "Add the networks that a search measured to its table.",
    ),
    "measurers": (
        "service.commands.agents:measurers",
        "Decide who may measure on a device of one's own.",
    ),
    "jobs": ("service.commands.jobs:jobs", "List a service's jobs, newest first."),
    "cancel": ("service.commands.cancel:cancel", "Cancel searches and other jobs by their ids."),
    "upload": (
        "service.commands.upload:upload",
        "Upload lookup tables and evaluations to a service.",
    ),
    "remove": (
        "service.commands.remove:remove",
        "Remove uploads and trained predictors from a service.",
    ),
    "openapi": ("service.commands.openapi:openapi", "Write the API's OpenAPI file."),
    "token": (
        "service.commands.token:token",
        "Create, list and revoke the tokens that a service accepts.",
    ),
    "doctor": (
        "service.commands.doctor:doctor",
        "Check everything that a service needs, running or not.",
    ),
    "backup": ("service.commands.backup:backup", "Write jobs and artifacts to one archive."),
    "gc": ("service.commands.gc:gc", "Remove jobs that ended long ago, with their artifacts."),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Serve searches over HTTP, request them, and operate the service."""
