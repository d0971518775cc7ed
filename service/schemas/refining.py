"""Models of `/tables/{name}/refinement`."""

from __future__ import annotations

from pydantic import Field

from service.schemas.base import FILE_NAME, NAME, Strict
from service.schemas.catalog import SHARED_FIELD, Uploaded


class TableRefinement(Strict):
    """The networks that a table learns from."""

    search: str = Field(
        min_length=1,
        max_length=NAME,
        description="Id of a search that was verified on the table's device.",
    )
    name: str | None = Field(
        default=None,
        max_length=NAME,
        pattern=FILE_NAME,
        description="Name of the new version. Default: that of the table.",
    )
    shared: bool = SHARED_FIELD


class Refined(Uploaded):
    """A version of a table with further measured networks."""

    added: int = Field(description="Number of networks that were added.")
    networks: int = Field(description="Number of all its measured networks.")
    sigma_before_ms: float | None = Field(
        description="Standard deviation of measurements from the table's estimates before."
    )
    sigma_ms: float | None = Field(description="The same now.")
