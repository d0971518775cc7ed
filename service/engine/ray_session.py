"""The Ray that an engine runs its workers on: one of its own, or a cluster."""

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

from service.engine.cleanup import MARK, new_session_folder
from service.engine.worker import Needs
from service.operation.scratch import SCRATCH, scratch_folder
from service.store.engines import RayStatus
from spaces import __version__
from spaces.errors import PathfitError

OBJECT_STORE_BYTES = 2**27
"""Shared memory for messages; tasks and results are small."""

ATTEMPTS = "attempts"
"""Part of the service's temporary folders that belongs to attempts at jobs."""

_TOKEN_FILE = "ray-token"

# Seconds without an answer after which a cluster counts as dead.
_SILENCE = 5.0

# The same for a Ray of the engine's own: its processes may wait long for a core of a busy machine.
_OWN_SILENCE = 30.0

_POLL_INTERVAL = 1.0
_OWN_POLL_INTERVAL = 5.0

# Seconds in which every node of a cluster reports its version.
_VERSION_TIMEOUT = 60

# Ray's names of the processes that it cannot live without, and the names that people know.
_VITAL_PROCESSES = {"gcs_server": "GCS", "raylet": "raylet"}


class RayFailed(PathfitError):
    """Ray cannot be used; the message has the reason."""


def environment(data: Path, address: str | None, threads: int = 1) -> dict[str, str]:
    """Return the variables that an engine needs before it imports ray; its workers inherit them.

    A Ray of the engine's own accepts only those who know the token in the data folder. Access to a
    cluster is the business of its operators, by Ray's own variables.

    Args:
        data: The data folder, in which a new token is written.
        address: Address of a cluster; None for a Ray of the engine's own.
        threads: Threads of numerical libraries in a worker; the last digit of results may depend on
            it.
    """
    thread_variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    variables = {
        MARK: str(data),
        SCRATCH: str(scratch_folder(data, ATTEMPTS)),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Jobs yield to requests, but not so far that other work on the machine stops them: Ray's
        # default is 15.
        "RAY_worker_niceness": "5",
        # Otherwise Ray warns at each start of a change that it may make one day.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        **dict.fromkeys(thread_variables, str(threads)),
    }
    if address is None:
        variables["RAY_AUTH_MODE"] = "token"
        variables["RAY_AUTH_TOKEN_PATH"] = str(_new_token(data))

    return variables


def _new_token(data: Path) -> Path:
    path = data / _TOKEN_FILE
    # A new token for every engine: processes that an old one left must not join.
    path.unlink(missing_ok=True)
    # Readable by this user alone from its creation on.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))

    return path


class RaySession:
    """Ray, from `start` to the end of the process.

    Args:
        data: The data folder.
        address: Address of a cluster; None for a Ray of the engine's own.
        needs: Resources that a Ray of the engine's own offers.
    """

    def __init__(self, data: Path, address: str | None, needs: Needs):
        self._data = data
        self._address = address
        self._needs = needs
        self._processes: list[tuple[str, Any]] = []
        self._last_answer = time.monotonic()

    def start(self) -> RayStatus:
        """Start or join Ray.

        Raises:
            RayFailed: Ray does not start, no cluster answers, or a node of it has another version
                of Pathfit.
        """
        import ray

        options: dict[str, Any] = {"address": self._address}
        if self._address is None:
            options = {
                "address": "local",
                "num_cpus": self._needs.cpus,
                "num_gpus": self._needs.gpus,
                "_temp_dir": str(new_session_folder(self._data)),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
            }
        else:
            _check_reachable(self._address)

        try:
            # Quiet, as the engine reports errors itself and the logs are in the session folder.
            ray.init(
                log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
            where = "" if self._address is None else f" at {self._address!r}"
            raise RayFailed(f"no Ray{where}: {str(error).strip().splitlines()[0]}") from error

        if self._address is None:
            # The ends of its own processes are observable; of a cluster only its answers.
            self._processes = _vital_processes()
        else:
            _check_versions()
        self._last_answer = time.monotonic()
        threading.Thread(target=self._poll, name="cluster", daemon=True).start()

        address = ray.get_runtime_context().gcs_address

        # The address by which others join, with the port that Ray chose.
        return RayStatus(ray.__version__, address, cluster=self._address is not None)

    def room(self) -> Needs:
        """Return the resources that Ray offers in all."""
        if self._address is None:
            return self._needs
        import ray

        # Ray leaves out a resource that no node has.
        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return Needs(total.get("CPU", 0.0), total.get("GPU", 0.0))

    def fault(self) -> str | None:
        """Describe the part of Ray that is dead; None if Ray lives."""
        for name, process in self._processes:
            if process.poll() is not None:
                return f"Ray's {name} (process {process.pid}) has ended with {process.returncode}"

        silence = time.monotonic() - self._last_answer
        if self._address is None and silence > _OWN_SILENCE:
            return f"Ray has not answered for {silence:.0f} s"
        if self._address is not None and silence > _SILENCE:
            return f"the Ray cluster at {self._address} has not answered for {silence:.0f} s"

        return None

    def _poll(self) -> None:
        """Note again and again that Ray answers; a call to a dead one does not return."""
        import ray

        interval = _OWN_POLL_INTERVAL if self._address is None else _POLL_INTERVAL
        while True:
            with contextlib.suppress(Exception):
                nodes = ray.nodes()  # type: ignore[no-untyped-call]
                # The GCS answers also for a raylet that hangs, which it counts as dead at last.
                if any(node["Alive"] for node in nodes):
                    self._last_answer = time.monotonic()
            time.sleep(interval)


def _check_versions() -> None:
    """Raise RayFailed if a node of the cluster has another version of Pathfit."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    remote_version: Any = ray.remote(installed_version)
    versions = {}
    for node in [node["NodeID"] for node in nodes if node["Alive"]]:
        # One task on each node, at the same time for all of them.
        on_node = NodeAffinitySchedulingStrategy(node, soft=False)
        task = remote_version.options(num_cpus=0, scheduling_strategy=on_node)
        versions[node] = task.remote()

    for node, reference in versions.items():
        try:
            version = ray.get(reference, timeout=_VERSION_TIMEOUT)
        except Exception as error:
            reason = str(error).strip().splitlines()[-1]
            raise RayFailed(
                f"the cluster's node {node[:8]} cannot run pathfit {__version__}: {reason}"
            ) from error

        if version != __version__:
            raise RayFailed(
                f"the cluster's node {node[:8]} has pathfit {version}, this service {__version__}"
            )


def _check_reachable(address: str) -> None:
    """Raise RayFailed if no process listens at an address; Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise RayFailed(f"ray_address: expected an address such as 10.0.0.1:6379, not {address!r}")

    try:
        socket.create_connection((host.strip("[]"), int(port)), _SILENCE).close()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise RayFailed(f"no Ray cluster at {address!r}: {reason}") from error


def installed_version() -> str:
    """Return the version of Pathfit on the node where this is called."""
    # Looked up where this runs: on the node.
    from spaces import __version__ as version

    return version


def _vital_processes() -> list[tuple[str, Any]]:
    """Return the name and process of everything that Ray cannot live without."""
    from ray._private import worker

    node: Any = worker._global_node
    return [
        (name, info.process)
        for kind, name in _VITAL_PROCESSES.items()
        for info in node.all_processes.get(kind, ())
    ]
