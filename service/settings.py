"""Settings: what a service is started with."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spaces.errors import PathfitError

DATA = Path("runs/service")
"""Where a service keeps its jobs unless told otherwise."""

PREDICTORS = Path("runs/predictors")
"""Where predictors are looked up unless told otherwise."""

SUPERNETS = Path("runs")
"""The folder whose folders are looked at for trained supernets unless told otherwise."""

DATA_SETS = {"digits": "digits"}
"""What a retraining may name unless told otherwise: the scans that come with scikit-learn."""

_HOST = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]", re.ASCII)


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
        host: address to serve on.
        port: 0 for any that is free.
        threads: requests answered at once.
        workers: searches that run at once, each in a process of its own.
        max_body: bytes of a request's body; of an upload's it is `max_upload`.
        supernets: runs of trained supernets, or folders that hold such runs.
        data_sets: name -> what `--data` of the command line takes, for retrainings.
        database_url: of the job store; None: a file in the data folder.
        artifacts: URL of the place of artifacts; None: a folder in the data folder.
        allowed_hosts: names by which the service may be asked for, beside loopback's;
            `.example.org` takes every name below.
        behind_proxy: whether a proxy that ends TLS stands before it.
        certificate: file of the TLS certificate chain, PEM; `key` is its private key's.
        key: see `certificate`.
        max_upload: bytes of an uploaded table or of evaluations.
        max_unfinished: jobs that may be queued or running at once, whoever asked for them.
        streams: event streams at once.
        waiting: requests that wait for a result at once.
        gpus: that jobs may use on this machine.
        ray_address: of a Ray cluster that runs the jobs; None: this machine does.

    Raises:
        InvalidSetting: an address beyond loopback without TLS, or a value that is out of range.
    """

    data: Path = DATA
    tables: tuple[Path, ...] = ()
    predictors: tuple[Path, ...] = (PREDICTORS,)
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 64
    workers: int = field(default_factory=default_workers)
    max_body: int = 1 << 18
    supernets: tuple[Path, ...] = (SUPERNETS,)
    data_sets: Mapping[str, str] = field(default_factory=lambda: dict(DATA_SETS))
    database_url: str | None = None
    artifacts: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    behind_proxy: bool = False
    certificate: Path | None = None
    key: Path | None = None
    max_upload: int = 1 << 25
    max_unfinished: int = 10_000
    streams: int = 24
    waiting: int = 24
    gpus: int = 0
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            raise InvalidSetting(
                "a TLS certificate and its key belong together: give both files or neither"
            )
        if not loopback(self.host) and not self.encrypted:
            raise InvalidSetting(
                f"host {self.host!r}: only loopback addresses such as 127.0.0.1 are served without"
                " TLS; give --tls-certificate and --tls-key, or --behind-proxy where a proxy"
                " ends TLS"
            )
        if not 0 <= self.port <= 65535:
            raise InvalidSetting(f"port must be between 0 and 65535, not {self.port}")
        for name in (
            "threads",
            "workers",
            "max_body",
            "max_upload",
            "max_unfinished",
            "streams",
            "waiting",
        ):
            if getattr(self, name) < 1:
                raise InvalidSetting(f"{name} must be positive, not {getattr(self, name)}")
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                raise InvalidSetting(
                    f"allowed_hosts: {host!r:.80} is no host's name; one reads like nas.example.org"
                )

    @property
    def encrypted(self) -> bool:
        """Whether what travels beyond this machine is encrypted."""
        return self.behind_proxy or self.certificate is not None

    @property
    def exposed(self) -> bool:
        """Whether others than this machine's users can reach the service: it then needs tokens."""
        return self.behind_proxy or not loopback(self.host)

    @property
    def hosts(self) -> list[str]:
        """The names by which the service may be asked for."""
        own = (
            [] if unspecified(self.host) else [f"[{self.host}]" if ":" in self.host else self.host]
        )
        return list(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", *own, *self.allowed_hosts]))

    @property
    def database(self) -> Path:
        """The file of the job store, where no URL says otherwise."""
        return self.data / "jobs.sqlite"

    @property
    def store(self) -> str | Path:
        """The job store as `Store` takes it."""
        return self.database_url or self.database

    @property
    def results(self) -> Path:
        """The folder of artifacts, where no URL says otherwise."""
        return self.data / "results"

    @property
    def artifacts_url(self) -> str:
        """The place of artifacts as `Artifacts` takes it."""
        return self.artifacts or str(self.results)


def loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unspecified(host: str) -> bool:
    """Whether an address stands for all of this machine's."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
