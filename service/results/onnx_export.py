"""Export networks to ONNX, each in a process of its own as torch's exporter is not thread-safe.

`python -m service.results.onnx_export FILE` reads a request, as `_request` writes it, from standard
input and writes FILE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from service.catalog.files import FileReference
from service.jobs import JsonObject
from service.results.processes import run_apart
from spaces.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn


def export(architecture: Architecture, supernet: FileReference | None = None) -> bytes:
    """Export an architecture's network to ONNX, and compare onnxruntime's outputs with torch's.

    The metadata of the file has `architecture`, `weights` (`untrained` or `supernet`) and
    `pathfit`, the version. With a supernet it also has `supernet`, the name and the SHA-256 of its
    weights, and `data`, the data set that it was trained on.

    Args:
        architecture: Architecture of the network.
        supernet: Trained weights of a supernet's run that the network inherits. None initialises
            the network with seed 0.

    Returns:
        The content of the file.

    Raises:
        Problem: The export takes too long, or the network cannot be exported.
        ChangedFile: The weights have changed.
    """
    module = "service.results.onnx_export"
    request = _request(architecture, supernet)
    return run_apart(module, request, "network.onnx", "the export", "not-exportable")


def _request(architecture: Architecture, supernet: FileReference | None) -> JsonObject:
    inherited = None
    if supernet is not None:
        inherited = {
            "name": supernet.name,
            "folder": str(supernet.checked().parent),
            "sha256": supernet.sha256,
        }

    return {"architecture": architecture.to_dict(), "supernet": inherited}


def main() -> None:
    """Export the network of the request on standard input."""
    import warnings

    # The exporter of the pinned torch uses deprecated functions of its dependencies.
    warnings.simplefilter("ignore")
    from oneshot.export.comparison import TOLERANCE, compare
    from oneshot.export.conversion import write_onnx
    from oneshot.export.inputs import NetworkInputs
    from spaces import __version__
    from spaces.registry import get

    request = json.loads(sys.stdin.read())
    architecture = Architecture.from_dict(request["architecture"])
    path = Path(sys.argv[1])
    metadata = {
        "architecture": architecture.to_json(),
        "weights": "untrained",
        "pathfit": __version__,
    }
    space = get(architecture.space)
    if request["supernet"] is None:
        network = space.network(architecture)
    else:
        network, inherited = _inherit(architecture, **request["supernet"])
        metadata |= inherited

    network.eval()
    inputs = NetworkInputs.from_space(space, architecture)
    write_onnx(network, inputs, path, metadata)
    difference = compare(network, inputs, path)

    # Also true if the difference is NaN.
    if not difference <= TOLERANCE:
        raise SystemExit(f"onnxruntime's outputs differ from torch's by {difference:.2g}")


def _inherit(
    architecture: Architecture, name: str, folder: str, sha256: str
) -> tuple[nn.Module, dict[str, str]]:
    """Build the network with its weights in a supernet's run, and the metadata about them."""
    from oneshot.data.request import title
    from oneshot.errors import InvalidRun
    from oneshot.retraining.supernet_weights import inherit
    from oneshot.run import read_run
    from spaces.modules.supernet import Supernet

    run = read_run(folder, "supernet")
    if architecture.space != run.space.name:
        raise InvalidRun(
            f"the supernet {name!r} is of {run.space.name}, a smaller network for searching; its"
            f" weights fit no network of {architecture.space}"
        )
    supernet = run.load()
    assert isinstance(supernet, Supernet)
    data = run.settings.data
    network = run.space.network(architecture, data["num_classes"])
    inherit(network, supernet, architecture)
    metadata = {
        "weights": "supernet",
        "supernet": json.dumps({"name": name, "sha256": sha256}),
        "data": json.dumps({**data, "name": title(data["name"])}),
    }

    return network, metadata


if __name__ == "__main__":
    main()
