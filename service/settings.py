"""Settings of a service."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.store.timeouts import Timeouts
from spaces.errors import PathfitError

DATA = Path("runs/service")
"""Default folder of a service's jobs."""

PREDICTORS = Path("runs/predictors")
"""Default folder of predictors."""

SUPERNETS = Path("runs")
"""Default folder whose subfolders are searched for trained supernets."""

DATA_SETS = {"digits": "digits"}
"""Default data sets of retrainings: the scans of digits that come with scikit-learn."""

_HOST = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]", re.ASCII)


class InvalidSetting(PathfitError):
    """Raised for a setting whose value is not accepted."""


def default_workers() -> int:
    """Return the default number of workers: half of the cores, at least 1 and at most 4."""
    return min(max((os.cpu_count() or 1) // 2, 1), 4)


@dataclass(frozen=True)
class Settings:
    """Settings of a service.

    Args:
        data: Folder of jobs and results; only one service at a time may use it.
        tables: Folders of lookup tables, which precede the tables that come with Pathfit.
        predictors: Folders of predictors, or single `.safetensors` files.
        host: Address to serve on.
        port: Port to serve on. 0 takes any free port.
        threads: Number of requests handled at once.
        workers: Number of jobs that run at once, each in a process of its own.
        max_body: Greatest size of a request's body in bytes, except for uploads.
        supernets: Runs of trained supernets, or folders that contain such runs.
        data_sets: Name -> value of the command line's `--data`, for retrainings.
        spaces: Names of spaces with parameters that requests may use, in addition to the registered
            ones, such as those of detectors.
        database_url: URL of the job store. None uses a file in the data folder.
        artifacts: URL of the artifacts' storage. None uses a folder in the data folder.
        allowed_hosts: Host names that requests may use besides those of loopback; `.example.org`
            accepts every name below it.
        behind_proxy: Whether a proxy in front of the service ends TLS.
        certificate: File of the TLS certificate chain in PEM format. None serves without TLS.
        key: File of the certificate's private key. None serves without TLS.
        max_upload: Greatest size of an uploaded table or of evaluations in bytes.
        max_unfinished: Greatest number of queued and running jobs of all owners.
        streams: Greatest number of event streams at once.
        waiting: Greatest number of requests that wait for a result at once.
        gpus: Number of GPUs of this machine that jobs may use.
        ray_address: Address of a Ray cluster that runs the jobs. None runs them on this machine.
        timeouts: Seconds after which work on the job store fails.

    Raises:
        InvalidSetting: A value is out of range, or the host is not a loopback address and there is
            no TLS.

    Example:
        >>> settings = Settings(workers=2, allowed_hosts=("nas.example.org",))
        >>> settings.exposed
        False
        >>> settings.hosts
        ['localhost', '127.0.0.1', '[::1]', 'nas.example.org']
    """

    data: Path = DATA
    tables: tuple[Path, ...] = ()
    predictors: tuple[Path, ...] = (PREDICTORS,)
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 160
    workers: int = field(default_factory=default_workers)
    max_body: int = 1 << 18
    supernets: tuple[Path, ...] = (SUPERNETS,)
    data_sets: Mapping[str, str] = field(default_factory=lambda: dict(DATA_SETS))
    spaces: tuple[str, ...] = ()
    database_url: str | None = None
    artifacts: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    behind_proxy: bool = False
    certificate: Path | None = None
    key: Path | None = None
    max_upload: int = 1 << 25
    max_unfinished: int = 10_000
    streams: int = 72
    waiting: int = 48
    gpus: int = 0
    ray_address: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        # Exactly one of the two.
        if (self.certificate is None) is not (self.key is None):
            raise InvalidSetting(
                "certificate and key: a TLS certificate needs its key; give both files or neither"
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
                    f"allowed_hosts: {host!r:.80} is not a host name such as nas.example.org"
                )

    @property
    def encrypted(self) -> bool:
        """Whether connections from other machines are encrypted."""
        return self.behind_proxy or self.certificate is not None

    @property
    def exposed(self) -> bool:
        """Whether other machines can reach the service, which then requires tokens."""
        return self.behind_proxy or not loopback(self.host)

    @property
    def hosts(self) -> list[str]:
        """Host names that requests may use."""
        # A URL encloses an IPv6 address in brackets.
        host = f"[{self.host}]" if ":" in self.host else self.host
        served = [] if unspecified(self.host) else [host]
        names = ["localhost", "127.0.0.1", "[::1]", *served, *self.allowed_hosts]
        return list(dict.fromkeys(names))

    @property
    def database(self) -> Path:
        """File of the job store, unless `database_url` is set."""
        return self.data / "jobs.sqlite"

    @property
    def store(self) -> str | Path:
        """Job store as `Store` takes it."""
        return self.database_url or self.database

    @property
    def results(self) -> Path:
        """Folder of artifacts, unless `artifacts` is set."""
        return self.data / "results"

    @property
    def artifacts_url(self) -> str:
        """Storage of artifacts as `Artifacts` takes it."""
        return self.artifacts or str(self.results)


def loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unspecified(host: str) -> bool:
    """Return whether an address means all addresses of this machine."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
