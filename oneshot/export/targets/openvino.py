"""Export to OpenVINO's intermediate representation, in int8 by nncf."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from oneshot.export.inputs import INPUT
from oneshot.export.targets.base import ExportSource, FileNetwork, Images
from profiler.backends.openvino_core import openvino_module, shared_core

_SECTION = "pathfit"


class OpenVinoTarget:
    """Files of OpenVINO for any batch size, with the metadata in `rt_info`, section `pathfit`."""

    name = "openvino"
    precisions = ("fp32", "int8")
    suffixes = (".xml", ".bin")

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        """Write a network; see `Target.write`."""
        core = shared_core()
        is_int8 = precision == "int8"
        model = _quantised(core, source) if is_int8 else core.read_model(source.onnx)
        for key, value in source.metadata.items():
            model.set_rt_info(value, [_SECTION, key])
        # By default OpenVINO rounds weights to fp16.
        openvino_module().save_model(model, path, compress_to_fp16=False)

    def load(self, path: Path) -> FileNetwork:
        """Return the network of files; see `Target.load`."""
        from profiler.backends.openvino_model import compiled_model, model_in_memory

        core = shared_core()
        compiled = compiled_model(core, model_in_memory(core, path), torch.get_num_threads())

        def run(images: Images) -> NDArray[Any]:
            output: NDArray[Any] = compiled({INPUT: images})[0]
            return output

        return FileNetwork(run)

    def metadata(self, path: Path) -> dict[str, str]:
        """Return the metadata of a file."""
        info = shared_core().read_model(path).get_rt_info()[_SECTION]
        return {key: str(value.value) for key, value in info.items()}


def _quantised(core: Any, source: ExportSource) -> Any:
    from profiler.backends.openvino_model import model_in_memory
    from profiler.backends.openvino_quantisation import Quantiser

    feeds = [{INPUT: images} for images in source.calibration]
    with tempfile.TemporaryDirectory() as folder, closing(Quantiser()) as quantiser:
        path = Path(folder) / "int8.xml"
        quantiser.quantise(source.onnx.read_bytes(), feeds, path)
        return model_in_memory(core, path)
