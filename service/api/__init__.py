"""The HTTP API and the page, one blueprint a file."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """All blueprints, each made anew for its application."""
    from service.api import (
        architectures,
        catalog,
        events,
        front,
        health,
        jobs,
        page,
        predict,
        search,
        session,
        uploads,
    )

    modules = (
        health,
        session,
        catalog,
        uploads,
        predict,
        search,
        events,
        front,
        architectures,
        jobs,
        page,
    )
    return [health.metrics_blueprint(), *(module.blueprint() for module in modules)]
