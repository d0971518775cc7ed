"""The HTTP API and the page, one blueprint a file."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """All blueprints, each made anew for its application."""
    from service.api import catalog, health, page, search

    return [health.blueprint(), catalog.blueprint(), search.blueprint(), page.blueprint()]
