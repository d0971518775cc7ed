"""Export of found networks to ONNX, each in a process of its own: torch's exporter is not for
several threads.

`python -m service.results.onnx_export FILE` reads a request, as `_request` writes it, from its
standard input and writes FILE.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from service.catalog.catalog import FileReference
from service.problems import Problem, busy
from spaces.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

PATIENCE = 300.0
"""Seconds that an export may take."""


def export(architecture: Architecture, supernet: FileReference | None = None) -> bytes:
    """The ONNX file of an architecture's network, of which onnxruntime computes what torch does.

    Its metadata tell `architecture`, `weights` (`untrained` or `supernet`) and `pathfit`, the
    version; with a supernet also `supernet`, its name and the SHA-256 of its weights, and `data`,
    what it was trained on.

    Args:
        architecture: of the network.
        supernet: the trained weights of a supernet's run, of which the network takes its own; None:
            as it is before training (seed 0).

    Raises:
        Problem: it takes too long, or cannot be exported.
        ChangedFile: the weights are not what they were.
    """
    with tempfile.TemporaryDirectory(prefix="pathfit-") as folder:
        path = Path(folder) / "network.onnx"
        try:
            done = subprocess.run(
                [sys.executable, "-m", "service.results.onnx_export", str(path)],
                input=_request(architecture, supernet),
                text=True,
                capture_output=True,
                timeout=PATIENCE,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise busy(f"the export takes longer than {PATIENCE:.0f} s", 60) from error
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason"])[-1]
            raise Problem(
                409,
                "not-exportable",
                "Not exportable",
                f"the network cannot be said in ONNX: {said:.300}",
            )
        return path.read_bytes()


def _request(architecture: Architecture, supernet: FileReference | None) -> str:
    given = None
    if supernet is not None:
        given = {
            "name": supernet.name,
            "folder": str(supernet.checked().parent),
            "sha256": supernet.sha256,
        }
    return json.dumps({"architecture": architecture.to_dict(), "supernet": given})


def main() -> None:
    """Export what is asked for."""
    import warnings

    # The exporter of the pinned torch uses what its own dependencies call deprecated.
    warnings.simplefilter("ignore")
    from oneshot.export.onnx import TOLERANCE, compare, write_onnx
    from spaces import __version__
    from spaces.registry import get

    asked = json.loads(sys.stdin.read())
    architecture, path = Architecture.from_dict(asked["architecture"]), Path(sys.argv[1])
    metadata = {
        "architecture": architecture.to_json(),
        "weights": "untrained",
        "pathfit": __version__,
    }
    space = get(architecture.space)
    if asked["supernet"] is None:
        network = space.network(architecture)
    else:
        network, told = _inherited(architecture, **asked["supernet"])
        metadata |= told
    network.eval()
    shape = space.input_shape_of(architecture)
    write_onnx(network, shape, path, metadata)
    difference = compare(network, shape, path)
    if not difference <= TOLERANCE:
        raise SystemExit(f"under onnxruntime it differs from torch by {difference:.2g}")


def _inherited(
    architecture: Architecture, name: str, folder: str, sha256: str
) -> tuple[nn.Module, dict[str, str]]:
    """The network with its path's weights in a supernet's run, and what its metadata tell of
    these.
    """
    from oneshot.data.request import title
    from oneshot.retraining.supernet_weights import inherit
    from oneshot.run import read_run
    from spaces.modules.supernet import Supernet

    run = read_run(folder, "supernet")
    supernet = run.load()
    assert isinstance(supernet, Supernet)
    data = run.settings.data
    network = run.space.network(architecture, data["num_classes"])
    inherit(network, supernet, architecture)
    told = {
        "weights": "supernet",
        "supernet": json.dumps({"name": name, "sha256": sha256}),
        "data": json.dumps({**data, "name": title(data["name"])}),
    }
    return network, told


if __name__ == "__main__":
    main()
