"""The HTTP API, one blueprint a file."""

from __future__ import annotations

from apiflask import APIBlueprint


def blueprints() -> list[APIBlueprint]:
    """All blueprints, each made anew for its application."""
    from service.api import catalog, health, search

    return [health.blueprint(), catalog.blueprint(), search.blueprint()]
