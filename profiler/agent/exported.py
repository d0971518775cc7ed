"""The backend of agents without torch: networks are ONNX files that the service has exported."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from profiler.agent.exporting import BACKEND
from profiler.backends.base import Runner
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.errors import InvalidTask
from spaces.architecture import Architecture
from spaces.space import SearchSpace

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ExportedNetworks:
    """Runs exported networks in onnxruntime.

    Args:
        digests: Codes of each network, joined by commas -> SHA-256 of its file.
        fetch: Function that returns the file of a SHA-256 from the service.
        folder: Folder for the files.
        conditions: Conditions of the table.
        device: Torch's name of the device.
        seed: Seed of the inputs.
    """

    name = BACKEND
    times_blocks = False

    def __init__(
        self,
        digests: Mapping[str, str],
        fetch: Callable[[str], bytes],
        folder: Path,
        conditions: Mapping[str, Any],
        device: str,
        seed: int,
    ):
        self._digests = digests
        self._fetch = fetch
        self._folder = folder
        self._threads = int(conditions["threads"])
        self._batch = int(conditions["batch"])
        self._device = device
        self._seed = seed

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """Return a runner of an architecture's network, whose file is fetched once."""
        (codes,) = space.encode([architecture]).tolist()
        key = ",".join(map(str, codes))
        if key not in self._digests:
            raise InvalidTask(f"networks: the service has sent none of the codes {key}")
        path = self._file(self._digests[key])
        return OnnxModelRunner(path, self._threads, self._batch, self._seed, device=self._device)

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python and onnxruntime."""
        import onnxruntime

        return {"python": platform.python_version(), "onnxruntime": onnxruntime.__version__}

    def _file(self, digest: str) -> Path:
        # It becomes a part of a path.
        if not _SHA256.fullmatch(digest):
            raise InvalidTask(f"networks: {digest!r:.80} is no SHA-256")
        path = self._folder / f"{digest}.onnx"
        if not path.is_file():
            content = self._fetch(digest)
            if hashlib.sha256(content).hexdigest() != digest:
                raise InvalidTask(f"networks: the file of {digest} has another content")
            path.write_bytes(content)
        return path


def has_torch() -> bool:
    """Return whether torch can be imported."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True
