"""Export of untrained networks to ONNX, each in a process of its own: torch's exporter is not for several threads.

`python -m service.onnx_export FILE` reads an architecture's JSON from its standard input and writes FILE.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from service.problems import Problem, busy
from spaces.architecture import Architecture

PATIENCE = 300.0
"""Seconds that an export may take."""


def untrained(architecture: Architecture) -> bytes:
    """The ONNX file of an architecture's network with the weights that it has before training (seed 0).

    Raises:
        Problem: it takes too long, or cannot be exported.
    """
    with tempfile.TemporaryDirectory(prefix="pathfit-") as folder:
        path = Path(folder) / "network.onnx"
        try:
            done = subprocess.run(
                [sys.executable, "-m", "service.onnx_export", str(path)],
                input=architecture.to_json(),
                text=True,
                capture_output=True,
                timeout=PATIENCE,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise busy(f"the export takes longer than {PATIENCE:.0f} s", 60) from error
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason"])[-1]
            raise Problem(409, "not-exportable", "Not exportable", f"the network cannot be said in ONNX: {said:.300}")
        return path.read_bytes()


def main() -> None:
    """Export what is asked for."""
    import warnings

    # The exporter of the pinned torch uses what its own dependencies call deprecated.
    warnings.simplefilter("ignore")
    import logging

    import torch

    from spaces.registry import get

    architecture = Architecture.from_json(sys.stdin.read())
    space = get(architecture.space)
    network = space.network(architecture).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        network,
        (torch.zeros(2, *space.input_shape_of(architecture)),),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    for key, value in (("architecture", architecture.to_json()), ("weights", "untrained")):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    Path(sys.argv[1]).write_bytes(proto.SerializeToString())


if __name__ == "__main__":
    main()
