"""Settings: what a service is started with."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from spaces.errors import PathfitError

DATA = Path("runs/service")
"""Where a service keeps its jobs unless told otherwise."""

PREDICTORS = Path("runs/predictors")
"""Where predictors are looked up unless told otherwise."""


class InvalidSetting(PathfitError):
    """A setting whose value is not accepted."""


def default_workers() -> int:
    """Searches that run at once: half of the processor's cores, at least 1 and at most 4."""
    return min(max((os.cpu_count() or 1) // 2, 1), 4)


@dataclass(frozen=True)
class Settings:
    """What a service is started with.

    Args:
        data: folder of its jobs and results; one service at a time uses it.
        tables: folders in which lookup tables are looked up first.
        predictors: folders of predictors, or single `.safetensors` files.
        host: address to serve on; loopback only.
        port: 0 for any that is free.
        threads: requests answered at once.
        workers: searches that run at once, each in a process of its own.
        max_body: bytes of a request's body.

    Raises:
        InvalidSetting: the address is not loopback, or a number is out of range.
    """

    data: Path = DATA
    tables: tuple[Path, ...] = ()
    predictors: tuple[Path, ...] = (PREDICTORS,)
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 64
    workers: int = field(default_factory=default_workers)
    max_body: int = 1 << 18

    def __post_init__(self) -> None:
        if not _loopback(self.host):
            raise InvalidSetting(
                f"host {self.host!r}: only loopback addresses such as 127.0.0.1 are served, "
                "for this version has no access control"
            )
        if not 0 <= self.port <= 65535:
            raise InvalidSetting(f"port must be between 0 and 65535, not {self.port}")
        for name in ("threads", "workers", "max_body"):
            if getattr(self, name) < 1:
                raise InvalidSetting(f"{name} must be positive, not {getattr(self, name)}")

    @property
    def database(self) -> Path:
        """The file of the job store."""
        return self.data / "jobs.sqlite"

    @property
    def results(self) -> Path:
        """The folder of full results, one file an attempt."""
        return self.data / "results"


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
