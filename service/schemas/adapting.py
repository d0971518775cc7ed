"""Models of `/tables/design` and `/tables/adapt`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.jobs import JsonObject
from service.schemas.base import FILE_NAME, NAME, REFERENCE, Strict
from service.schemas.catalog import SHARED_FIELD

MAX_SOURCES = 64
MAX_MEASURED = 1000


class DesignRequest(Strict):
    """The known devices, and the number of networks to measure on a new one."""

    sources: list[str] = Field(
        min_length=1, max_length=MAX_SOURCES, description="Names of GET /tables, of one space."
    )
    networks: int = Field(default=10, ge=3, le=100)


class Design(BaseModel):
    """Networks to measure on a new device."""

    space: str
    architectures: list[JsonObject]


class MeasuredNetwork(Strict):
    """A network's latency on the new device."""

    architecture: JsonObject
    latency_ms: float = Field(gt=0, description="Median of its runs in milliseconds.")


class MeasuringConditions(Strict):
    """Conditions under which the networks ran."""

    backend: str = Field(default="other", max_length=NAME)
    batch: int = Field(default=1, ge=1, lt=1 << 31)
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    threads: int = Field(default=1, ge=1, lt=1 << 31)


class TableAdaptation(Strict):
    """A few networks' latencies on a new device, and the tables of others."""

    name: str = Field(max_length=NAME, pattern=FILE_NAME, description="Name that searches use.")
    sources: list[str] = Field(
        min_length=1, max_length=MAX_SOURCES, description="Names of GET /tables, of one space."
    )
    device: str = Field(min_length=1, max_length=REFERENCE, description="The new device in words.")
    conditions: MeasuringConditions = Field(default_factory=MeasuringConditions)
    measured: list[MeasuredNetwork] = Field(
        min_length=3, max_length=MAX_MEASURED, description="At best those of POST /tables/design."
    )
    shared: bool = SHARED_FIELD
