"""Models of `/agents`, and of the tables that are built on their devices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.jobs import JsonObject
from service.schemas.base import FILE_NAME, NAME, Strict
from service.schemas.catalog import SHARED_FIELD
from service.store.tokens import MAX_NAME_LENGTH

_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]


class AgentIdentity(Strict):
    """A device and its runtimes, as an agent registers them."""

    name: str = Field(
        max_length=MAX_NAME_LENGTH,
        pattern=FILE_NAME,
        description="Name that requests use; where there are tokens, that of the agent's own.",
    )
    device: JsonObject = Field(description="Kind, processor and cores, as lookup tables have them.")
    backends: list[_Name] = Field(min_length=1, max_length=64)
    threads: int = Field(ge=1, le=4096, description="Number of threads that it measures with.")
    version: str = Field(max_length=64, description="Its version of Pathfit.")
    has_torch: bool = Field(
        default=True,
        description=(
            "Whether torch can be imported there. Without it the agent measures networks that are"
            " chains of blocks which the service has exported, by onnxruntime or OpenVINO in fp32."
        ),
    )


class AgentStatus(BaseModel):
    """An agent on a device."""

    name: str
    state: Literal["ready", "measuring", "away"]
    device: JsonObject
    backends: list[str]
    threads: int
    version: str
    has_torch: bool
    seen_s: float = Field(description="Seconds since its last request.")
    is_own: bool = Field(description="Whether the sender decides who may measure there.")
    measurers: list[str] | None = Field(
        default=None, description="Tokens that may measure there; only its owner sees them."
    )


class AgentList(BaseModel):
    """Devices that the sender may measure on."""

    items: list[AgentStatus]


class Measurers(Strict):
    """The tokens that may measure on a device."""

    measurers: list[_Name] = Field(
        max_length=1000, description="Names of tokens besides the owner; `*` stands for all."
    )


class MeasuringJob(BaseModel):
    """A job for an agent."""

    id: str
    attempt: int
    measuring: JsonObject
    measured: JsonObject | None = Field(
        description="Networks that earlier attempts have measured; null before."
    )


class AgentReport(Strict):
    """What an agent reports of an attempt at a job."""

    attempt: int = Field(ge=1, lt=1 << 31)
    state: Literal["running", "done", "failed", "returned"] = Field(
        description=(
            "running renews the claim; returned gives the job back, such as after Ctrl-C; done and"
            " failed end the attempt."
        )
    )
    progress: JsonObject | None = Field(default=None, description="Latest progress.")
    measured: JsonObject | None = Field(
        default=None, description="Networks that were measured so far."
    )
    table: JsonObject | None = Field(default=None, description="The table that was built.")
    validation: JsonObject | None = Field(default=None, description="Figures of a validation.")
    error: str | None = Field(default=None, max_length=2000, description="Reason of a failure.")


class Claimed(BaseModel):
    """Whether a job is still the agent's."""

    held: bool = Field(description="False: cancelled, or begun again; the agent leaves it.")


class TableBuild(Strict):
    """A table to build on an agent's device."""

    device: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="Name of the agent.")
    space: str = Field(max_length=NAME, description="A name of GET /spaces.")
    name: str | None = Field(
        default=None,
        max_length=NAME,
        pattern=FILE_NAME,
        description="Name of the table. Default: the device and the space, joined by a hyphen.",
    )
    backend: str | None = Field(
        default=None, max_length=NAME, description="Runtime. Default: the agent's first one."
    )
    batch: int = Field(default=1, ge=1, le=4096)
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    budget_s: float = Field(
        default=60.0, gt=0, le=86400, description="Seconds after which no further round begins."
    )
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    shared: bool = SHARED_FIELD


class TableValidation(Strict):
    """A comparison of a table with networks that are measured on an agent's device."""

    device: str = Field(min_length=1, max_length=MAX_NAME_LENGTH, description="Name of the agent.")
    networks: int = Field(default=30, ge=3, le=1000, description="Number of random networks.")
    searched: int = Field(
        default=10, ge=0, le=100, description="Number of searched networks at each limit."
    )
    rounds: int = Field(default=20, ge=4, le=1000)
    seed: int = Field(default=1, ge=0, lt=1 << 32)


REQUESTS = (AgentIdentity, Measurers, AgentReport, TableBuild, TableValidation)
