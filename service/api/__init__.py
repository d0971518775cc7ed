"""The HTTP API and the page, one blueprint per module."""

from __future__ import annotations

from flask import Blueprint

from service.api import (
    adapting,
    agents,
    architectures,
    catalog,
    compare,
    events,
    front,
    health,
    jobs,
    page,
    pipelines,
    predict,
    refining,
    search,
    session,
    uploads,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    health.metrics,
    health.blueprint,
    session.blueprint,
    catalog.blueprint,
    uploads.blueprint,
    adapting.blueprint,
    refining.blueprint,
    agents.blueprint,
    predict.blueprint,
    compare.blueprint,
    search.blueprint,
    events.blueprint,
    front.blueprint,
    architectures.blueprint,
    jobs.blueprint,
    pipelines.blueprint,
    page.blueprint,
)
"""Blueprints of the application, in the order of the OpenAPI file."""
