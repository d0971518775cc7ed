"""Post-training quantisation to int8 by nncf, for OpenVINO, in a process of its own.

nncf replaces functions of torch when it is imported, which the process would keep. So another
process quantises, and answers by files.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.openvino_core import openvino_module, shared_core
from profiler.errors import UnsupportedConditions

Feeds = Sequence[Mapping[str, NDArray[Any]]]
"""Inputs by name, in batches."""


class Quantiser:
    """Quantises models in one other process, which lasts from the first model to this object's end.

    It is kept because importing nncf takes as long as quantising a network.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._end: Any = None

    def quantise(
        self, proto: bytes, feeds: Feeds, target: Path, *, correct_biases: bool = True
    ) -> None:
        """Quantise an ONNX model to int8; weights have a scale for every output channel.

        Args:
            proto: The serialised model.
            feeds: Inputs that ranges are calibrated on.
            target: File of OpenVINO to write, `.xml`; the weights are next to it.
            correct_biases: Whether biases make up for the shift that rounded weights cause.

        Raises:
            UnsupportedConditions: nncf cannot quantise the model.
            ModuleNotFoundError: nncf is not installed.
        """
        with tempfile.TemporaryDirectory(prefix="pathfit-int8-") as folder:
            source = Path(folder) / "network.onnx"
            source.write_bytes(proto)
            inputs = Path(folder) / "inputs.npz"
            np.savez(inputs, allow_pickle=False, **_labelled(feeds))
            task = {
                "source": str(source),
                "inputs": str(inputs),
                "target": str(target.absolute()),
                "correct_biases": correct_biases,
            }
            try:
                reason = self._answer(task)
            # The next answer would otherwise be that to this task.
            except BaseException:
                self.close()
                raise

        if reason:
            raise UnsupportedConditions(f"nncf cannot quantise the network: {reason}")

    def close(self) -> None:
        """End the process; the next quantisation starts another one."""
        if self._end is not None:
            self._end()
        self._process = None

    def _answer(self, task: Mapping[str, Any]) -> str:
        """Return the reason why a task failed, empty where it is done."""
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None

        # A process that has ended has closed its pipes.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if line:
            return str(json.loads(line)["reason"])

        code = process.wait()
        self.close()
        return f"its process has ended with the code {code}"

    def _start(self) -> None:
        if importlib.util.find_spec("nncf") is None:
            raise ModuleNotFoundError("No module named 'nncf'", name="nncf")

        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C is for this process, which ends the other one.
            process_group=0,
        )
        self._end = weakref.finalize(self, _end, self._process)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            # What is still to be written to the process is of no use.
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def quantised(model: Any, feeds: Feeds, *, correct_biases: bool = True) -> Any:
    """Quantise a model in this process; see `Quantiser.quantise`.

    Args:
        model: OpenVINO's model.
        feeds: Inputs that ranges are calibrated on.
        correct_biases: Whether biases make up for the shift that rounded weights cause.

    Returns:
        The quantised model of OpenVINO.
    """
    # nncf would otherwise report each quantisation to a server of Google Analytics.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    nncf.set_log_level(logging.ERROR)
    parameters = nncf.AdvancedQuantizationParameters(disable_bias_correction=not correct_biases)
    # Its bars of progress would be printed for each network of a table.
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            advanced_parameters=parameters,
        )


def _labelled(feeds: Feeds) -> dict[str, NDArray[Any]]:
    """Return all inputs by the number of their batch and their name."""
    return {
        f"{index} {name}": value for index, feed in enumerate(feeds) for name, value in feed.items()
    }


def _quantise_files(source: str, inputs: str, target: str, correct_biases: bool) -> None:
    feeds: dict[int, dict[str, NDArray[Any]]] = {}
    with np.load(inputs, allow_pickle=False) as arrays:
        for label in arrays:
            index, _, name = label.partition(" ")
            feeds.setdefault(int(index), {})[name] = arrays[label]

    model = shared_core().read_model(source)
    rounded = quantised(model, list(feeds.values()), correct_biases=correct_biases)
    # By default OpenVINO rounds weights to fp16.
    openvino_module().save_model(rounded, target, compress_to_fp16=False)


def main() -> None:
    """Quantise what each line of the standard input names, and answer it by a line."""
    # What a library prints, also by its C code, must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        reason = ""
        try:
            _quantise_files(**json.loads(line))
        # Libraries raise what the code of their dependencies raises.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        print(json.dumps({"reason": reason}), file=answers, flush=True)


if __name__ == "__main__":
    main()
