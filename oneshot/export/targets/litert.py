"""Export to LiteRT by litert-torch, in int8 by its quantiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from oneshot.export.targets.base import ExportSource, FileNetwork, Images, write_metadata


class LiteRtTarget:
    """A file of LiteRT for one image at a time, and the metadata as JSON."""

    name = "litert"
    precisions = ("fp32", "int8")
    suffixes = (".tflite", ".json")

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        """Write a network; see `Target.write`."""
        from profiler.backends.litert_model import converted, quantised

        content = converted(source.network, torch.zeros(1, *source.shape))
        if precision == "int8":
            images = [batch[[row]] for batch in source.calibration for row in range(len(batch))]
            content = quantised(content, images)
        path.write_bytes(content)
        write_metadata(source.metadata, path.with_suffix(".json"))

    def load(self, path: Path) -> FileNetwork:
        """Return the network of files; see `Target.load`."""
        from profiler.backends.litert_model import interpreter, outputs_of, set_input

        made = interpreter(path, torch.get_num_threads())

        def run(images: Images) -> NDArray[Any]:
            set_input(made, images)
            made.invoke()
            (output,) = outputs_of(made)
            return output

        return FileNetwork(run, batch=1)
