"""Networks in files of users: `mymodel.py:build`, with the weights of another file."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spaces.elastic.errors import InvalidNetwork


def build_network(source: str, weights: str | Path | None = None) -> nn.Module:
    """Run the function of a user's file that builds a network, and load its weights.

    Args:
        source: Python file and function, such as `mymodel.py:build`. Its code is run.
        weights: Weights of the network: a `.safetensors` file, or one of `torch.save` with tensors
            alone. None: the network is taken as it is built.

    Raises:
        InvalidNetwork: The file or the function does not exist or fails, it returns no module, or
            the weights are of another network.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "mymodel.py"
        ...     lines = ["from torch import nn", "def build():", "    return nn.Linear(4, 2)"]
        ...     _ = file.write_text("\\n".join(lines))
        ...     build_network(f"{file}:build")
        Linear(in_features=4, out_features=2, bias=True)
    """
    function = _function(source)
    try:
        network = function()
    # The user's code fails with errors of any kind.
    except Exception as error:
        raise InvalidNetwork(f"{source} failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise InvalidNetwork(f"{source} must return a torch module, not {type(network).__name__}")
    if weights is not None:
        load_weights(network, weights)
    return network


def _function(source: str) -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    path, separator, name = source.rpartition(":")
    if not separator or not path.endswith(".py") or not name.isidentifier():
        raise InvalidNetwork(
            f"{source!r} names no network; write FILE.py:FUNCTION, such as mymodel.py:build"
        )
    file = Path(path).resolve()
    if not file.is_file():
        raise InvalidNetwork(f"{source}: there is no file {path}")

    module_name = f"pathfit_network_{file.stem}"
    spec = spec_from_file_location(module_name, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Listed before it runs, since dataclasses and pickle look a class's module up by name.
    sys.modules[module_name] = module
    # Modules next to the file can be imported, as when Python runs it.
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise InvalidNetwork(f"{path} failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent))

    function = getattr(module, name, None)
    if not callable(function):
        raise InvalidNetwork(f"{source}: {path} has no function {name!r}")
    required = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required:
        raise InvalidNetwork(
            f"{source} must be callable without arguments; give {', '.join(required)} a default"
        )
    return function


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load weights into a network.

    Args:
        network: Network that receives them.
        path: `.safetensors` file, or one of `torch.save` with tensors alone; a dictionary with the
            weights as `state_dict` or `model` is accepted.

    Raises:
        InvalidNetwork: The file cannot be read, or has the weights of another network.
    """
    state = _read(Path(path))
    expected = network.state_dict()
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]

    if missing or unexpected:
        parts = []
        if missing:
            parts.append(f"it lacks {missing[0]!r}{_others(missing)}")
        if unexpected:
            parts.append(f"it has {unexpected[0]!r}{_others(unexpected)}, which the network lacks")
        raise InvalidNetwork(f"{path}: weights of another network: {'; '.join(parts)}")

    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise InvalidNetwork(
                f"{path}: weights of another network: {name!r} has the shape"
                f" {list(state[name].shape)}, not {list(tensor.shape)}"
            )

    network.load_state_dict(state)


def _others(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InvalidNetwork(f"weights: there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        # Tensors alone: a pickle could run any code.
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        raise InvalidNetwork(
            f"{path}: cannot be read as weights: {type(error).__name__}: {text:.160}"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping) or not all(
        isinstance(item, Tensor) for item in value.values()
    ):
        raise InvalidNetwork(f"{path}: weights are a dictionary of tensors, as state_dict returns")
    # As torch's DistributedDataParallel saves them.
    return {str(name).removeprefix("module."): tensor for name, tensor in value.items()}
