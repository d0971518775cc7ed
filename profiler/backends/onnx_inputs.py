"""Inputs of ONNX models: their shapes, which a model may leave open, and values for a timing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from profiler.errors import InvalidInput
from spaces.errors import InvalidFile

TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
"""Onnxruntime's name of a type of inputs -> numpy's name."""

_SHAPE = re.compile(r"\d+(x\d+)*")


class ModelInput(Protocol):
    """An input of a model as onnxruntime describes it."""

    name: str
    type: str
    shape: Sequence[int | str | None]


@dataclass(frozen=True)
class InputSpec:
    """Shape and type of one input of an ONNX model.

    Args:
        name: Name of the input.
        shape: Size of every axis.
        dtype: Name of numpy's type. None for that of the model.

    Example:
        >>> from profiler.backends.onnx_inputs import InputSpec
        >>> InputSpec.from_text("tokens:1x128:int64")
        InputSpec(name='tokens', shape=(1, 128), dtype='int64')
    """

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None

    @classmethod
    def from_text(cls, text: str) -> InputSpec:
        """Parse NAME:SHAPE or NAME:SHAPE:TYPE, such as `image:1x3x224x224:float32`.

        Raises:
            InvalidInput: The text has another form, or names a type that cannot be fed.
        """
        # From the right: names such as `serving_default:0` contain colons themselves.
        name, _, last = text.rpartition(":")
        dtype = None
        if not _SHAPE.fullmatch(last):
            dtype = last
            name, _, last = name.rpartition(":")

        if not name or not _SHAPE.fullmatch(last):
            raise InvalidInput(
                f"--input {text!r} is not NAME:SHAPE[:TYPE], such as image:1x3x224x224:float32"
            )

        if dtype is not None and dtype not in TYPES.values():
            raise InvalidInput(
                f"--input {text!r}: the type {dtype!r} cannot be fed; available:"
                f" {', '.join(TYPES.values())}"
            )

        return cls(name, tuple(map(int, last.split("x"))), dtype)

    def __str__(self) -> str:
        size = "x".join(map(str, self.shape))
        return f"{self.name}:{size}" + (f":{self.dtype}" if self.dtype else "")


def resolve_inputs(
    inputs: Sequence[ModelInput],
    specs: Sequence[InputSpec],
    metadata: Mapping[str, str],
    *,
    batch: int,
    title: str,
) -> list[InputSpec]:
    """Return the shape and type of every input of a model.

    An open first axis is the batch. Any other open axis has the size of the input's spec, or that
    of the image shape in the metadata that `oneshot export` writes. It is never guessed: an image
    of 1 x 1 pixels runs hundreds of times faster than the one that the model is made for.

    Args:
        inputs: Inputs of the model.
        specs: Requested shapes; those of other inputs are ignored.
        metadata: Metadata of the model.
        batch: Batch size.
        title: Name of the model in errors.

    Raises:
        InvalidFile: An axis has no size, or a type cannot be fed.
        InvalidInput: A spec contradicts the model.
    """
    # Requests for inputs of other models are no error: several models may be measured together.
    requested = {spec.name: spec for spec in specs}
    resolved: list[InputSpec] = []
    for model_input in inputs:
        dtype = TYPES.get(model_input.type)
        if dtype is None:
            raise InvalidFile(
                f"{title}: the input {model_input.name} is {model_input.type}, which cannot be fed;"
                f" available: {', '.join(TYPES)}"
            )

        spec = requested.get(model_input.name)
        if spec is not None:
            _check(spec, model_input, dtype, title)
            resolved.append(InputSpec(spec.name, spec.shape, dtype))
            continue

        shape = _shape(model_input, _image_shape(metadata), batch, title)
        resolved.append(InputSpec(model_input.name, shape, dtype))

    return resolved


def random_value(spec: InputSpec, seed: int) -> NDArray[Any]:
    """Return a value of an input: normally distributed floats, and ones of any other type.

    Ones are valid as indices of almost any embedding, as types of tokens and as masks.

    Args:
        spec: Shape and type of the input.
        seed: Seed of the floats.
    """
    if spec.dtype is None or not spec.dtype.startswith("float"):
        return np.ones(spec.shape, dtype=spec.dtype)
    rng = np.random.default_rng(seed)
    return rng.standard_normal(spec.shape, dtype=np.float32).astype(spec.dtype)


def _check(spec: InputSpec, model_input: ModelInput, dtype: str, title: str) -> None:
    """Raise InvalidInput where a requested input is not one of the model's."""
    axes = model_input.shape
    if spec.dtype is not None and spec.dtype != dtype:
        raise InvalidInput(
            f"--input {spec}: the input {spec.name} of {title} is {dtype}, not {spec.dtype}"
        )

    # Open axes, which are no integers, accept any size.
    fits = len(axes) == len(spec.shape) and all(
        not isinstance(axis, int) or axis == size
        for axis, size in zip(axes, spec.shape, strict=False)
    )
    if not fits:
        raise InvalidInput(
            f"--input {spec}: the input {spec.name} of {title} has the shape {_title(axes)}"
        )


def _shape(
    model_input: ModelInput, image_shape: tuple[int, ...] | None, batch: int, title: str
) -> tuple[int, ...]:
    """Return the shape of an input without a spec; raises InvalidFile for axes without a size."""
    axes = list(model_input.shape)
    if axes and not isinstance(axes[0], int):
        axes[0] = batch

    # The shape of an image is that of any input with its number of axes that it fits.
    if image_shape is not None and len(axes) == 1 + len(image_shape):
        fits = all(
            not isinstance(axis, int) or axis == size
            for axis, size in zip(axes[1:], image_shape, strict=True)
        )
        axes = [axes[0], *image_shape] if fits else axes

    open_axes = [
        str(axis or f"axis {index}") for index, axis in enumerate(axes) if not isinstance(axis, int)
    ]
    if open_axes:
        example = "x".join(
            str(axis) if isinstance(axis, int) else f"<{axis or index}>"
            for index, axis in enumerate(axes)
        )
        raise InvalidFile(
            f"{title}: the input {model_input.name} {_title(model_input.shape)} leaves"
            f" {' and '.join(open_axes)} open; state its shape by --input"
            f" {model_input.name}:{example}"
        )

    return tuple(axis for axis in axes if isinstance(axis, int))


def _image_shape(metadata: Mapping[str, str]) -> tuple[int, ...] | None:
    """Return channels, height and width of an exported network's images; None without them."""
    try:
        shape = json.loads(metadata["preprocessing"])["input_shape"]
        return tuple(int(size) for size in shape)
    # Metadata of this name may be of any other program.
    except (LookupError, TypeError, ValueError):
        return None


def _title(axes: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if axis is None else str(axis) for axis in axes)}]"
