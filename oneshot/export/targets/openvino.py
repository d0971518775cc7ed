"""Export to OpenVINO's intermediate representation, in int8 by nncf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from oneshot.export.inputs import INPUT
from oneshot.export.targets.base import ExportSource, FileNetwork, Images

_SECTION = "pathfit"


class OpenVinoTarget:
    """Files of OpenVINO for any batch size, with the metadata in `rt_info`, section `pathfit`."""

    name = "openvino"
    precisions = ("fp32", "int8")
    suffixes = (".xml", ".bin")

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        """Write a network; see `Target.write`."""
        import openvino

        model = openvino.Core().read_model(source.onnx)
        if precision == "int8":
            from profiler.backends.openvino_quantisation import quantised

            model = quantised(model, [{INPUT: images} for images in source.calibration])

        for key, value in source.metadata.items():
            model.set_rt_info(value, [_SECTION, key])
        # By default OpenVINO rounds weights to fp16.
        openvino.save_model(model, path, compress_to_fp16=False)

    def load(self, path: Path) -> FileNetwork:
        """Return the network of files; see `Target.load`."""
        import openvino

        from profiler.backends.openvino_model import compiled_model

        core = openvino.Core()
        # A model that is read from the disk keeps its file of weights open: from memory.
        model = core.read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
        compiled = compiled_model(core, model, torch.get_num_threads())

        def run(images: Images) -> NDArray[Any]:
            output: NDArray[Any] = compiled({INPUT: images})[0]
            return output

        return FileNetwork(run)

    def metadata(self, path: Path) -> dict[str, str]:
        """Return the metadata of a file."""
        import openvino

        info = openvino.Core().read_model(path).get_rt_info()[_SECTION]
        return {key: str(value.value) for key, value in info.items()}
