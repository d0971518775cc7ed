"""Export to ncnn by pnnx."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oneshot.export.targets.base import ExportSource, FileNetwork, Images, write_metadata


class NcnnTarget:
    """Files of ncnn for one image at a time: layers, weights, and the metadata as JSON."""

    name = "ncnn"
    precisions = ("fp32", "fp16")
    suffixes = (".param", ".bin", ".json")

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        """Write a network; see `Target.write`."""
        from profiler.backends.ncnn_model import converted

        shape = (1, *source.shape)
        with tempfile.TemporaryDirectory() as folder:
            proto = source.onnx.read_bytes()
            param, weights = converted(proto, shape, Path(folder), precision == "fp16")
            shutil.copyfile(param, path)
            shutil.copyfile(weights, path.with_suffix(".bin"))
        write_metadata(source.metadata, path.with_suffix(".json"))

    def load(self, path: Path) -> FileNetwork:
        """Return the network of files; see `Target.load`."""
        from profiler.backends.ncnn_model import loaded, outputs_of

        # Files with weights in fp16 are read as floats, so that every processor runs them alike.
        net = loaded(path, path.with_suffix(".bin"), torch.get_num_threads(), half=False)

        def run(images: Images) -> NDArray[Any]:
            (output,) = outputs_of(net, images)
            return np.asarray(output)[None]

        return FileNetwork(run, batch=1)
