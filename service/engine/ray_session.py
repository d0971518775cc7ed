"""RaySession: the Ray that an engine runs its workers on, one of its own or a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any

from service.engine.cleanup import MARK, new_folder
from service.engine.worker import Needs
from spaces import __version__
from spaces.errors import PathfitError

OBJECT_STORE = 2**27
"""Bytes of shared memory for what is sent; tasks and results are small."""

_TOKEN = "ray-token"
_SILENCE = 5.0


class RayFailed(PathfitError):
    """Ray cannot be used; the sentence says why."""


def environment(data: Path, address: str | None, threads: int = 1) -> dict[str, str]:
    """Variables that an engine must have before it imports ray, and which its workers inherit.

    A Ray of its own accepts only those who know the token in the data folder; of a cluster the ones
    who run it decide, by Ray's own variables.

    Args:
        data: the data folder; a file with a new token is made in it.
        address: of a cluster; None: a Ray of its own.
        threads: of numerical libraries in a worker; results may depend on it in the last digit.
    """
    found = {
        MARK: str(data),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Behind requests, but not so far that other work on the machine stops the jobs (Ray's
        # default is 15).
        "RAY_worker_niceness": "5",
        # Otherwise Ray says at each start what it may do differently one day.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        **dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
        ),
    }
    if address is None:
        found |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(_new_token(data))}
    return found


def _new_token(data: Path) -> Path:
    path = data / _TOKEN
    path.unlink(missing_ok=True)
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
    ) as file:
        file.write(secrets.token_hex(32))
    return path


class RaySession:
    """Ray, from `start` to the end of the process.

    Args:
        data: the data folder.
        address: of a cluster; None: a Ray of its own.
        needs: what a Ray of its own offers.
    """

    def __init__(self, data: Path, address: str | None, needs: Needs):
        self._data, self._address, self._needs = data, address, needs
        self._own: list[tuple[str, Any]] = []
        self._heard = time.monotonic()

    def start(self) -> dict[str, Any]:
        """Start or join Ray.

        Returns:
            Version and address, for those who look.

        Raises:
            RayFailed: it does not start, there is no cluster, or one whose nodes have another
                pathfit.
        """
        import ray

        options: dict[str, Any] = {"address": self._address}
        if self._address is None:
            options = {
                "address": "local",
                "num_cpus": self._needs.cpus,
                "num_gpus": self._needs.gpus,
            }
            options |= {
                "_temp_dir": str(new_folder(self._data)),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE,
            }
        else:
            _reach(self._address)
        try:
            ray.init(
                log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
            where = "" if self._address is None else f" at {self._address!r}"
            raise RayFailed(f"no Ray{where}: {str(error).strip().splitlines()[0]}") from error
        if self._address is None:
            self._own = _processes()
        else:
            self._check_versions()
            threading.Thread(target=self._hear, name="cluster", daemon=True).start()
        context = ray.get_runtime_context()
        return {
            "version": ray.__version__,
            "address": context.gcs_address,
            "cluster": self._address is not None,
        }

    def room(self) -> Needs:
        """What Ray offers in all."""
        if self._address is None:
            return self._needs
        import ray

        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return Needs(total.get("CPU", 0.0), total.get("GPU", 0.0))

    def fault(self) -> str | None:
        """What of Ray is dead; None where it lives."""
        for name, process in self._own:
            if process.poll() is not None:
                return f"Ray's {name} (process {process.pid}) has ended with {process.returncode}"
        if self._address is not None and (silent := time.monotonic() - self._heard) > _SILENCE:
            return f"the Ray cluster at {self._address} has not answered for {silent:.0f} s"
        return None

    def _hear(self) -> None:
        import ray

        while True:
            with contextlib.suppress(Exception):
                ray.cluster_resources()  # type: ignore[no-untyped-call]
                self._heard = time.monotonic()
            time.sleep(1.0)

    def _check_versions(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        ask: Any = ray.remote(version)
        asked = {
            node: ask.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote()
            for node in alive
        }
        for node, reference in asked.items():
            try:
                found = ray.get(reference, timeout=60)
            except Exception as error:
                reason = str(error).strip().splitlines()[-1]
                raise RayFailed(
                    f"the cluster's node {node[:8]} cannot run pathfit {__version__}: {reason}"
                ) from error
            if found != __version__:
                raise RayFailed(
                    f"the cluster's node {node[:8]} has pathfit {found}, this service {__version__}"
                )


def _reach(address: str) -> None:
    """Raise RayFailed where nobody listens: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise RayFailed(
            f"not the address of a Ray cluster: {address!r}; one reads like 10.0.0.1:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SILENCE).close()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise RayFailed(f"no Ray cluster at {address!r}: {reason}") from error


def version() -> str:
    """The version of pathfit where this is called."""
    from spaces import __version__ as found

    return found


def _processes() -> list[tuple[str, Any]]:
    """Name and process of what Ray cannot live without."""
    from ray._private import worker

    node: Any = worker._global_node
    known = {"gcs_server": "GCS", "raylet": "raylet"}
    return [
        (known[kind], info.process) for kind in known for info in node.all_processes.get(kind, ())
    ]
