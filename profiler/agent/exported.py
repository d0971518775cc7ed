"""Networks on agents without torch, joined from blocks that the service has exported as ONNX."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from profiler.backends.base import Backend, Conditions, chain_blocks
from profiler.errors import InvalidTask
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from profiler.backends.onnx_chain import Feed, Fragment


class ExportedNetworks:
    """Writes networks as ONNX models from exported blocks.

    Args:
        digests: Key of each block -> SHA-256 of its file.
        fetch: Function that returns the file of a SHA-256 from the service.
        conditions: Conditions with the batch size, and the seed of the inputs.
    """

    def __init__(
        self, digests: Mapping[str, str], fetch: Callable[[str], bytes], conditions: Conditions
    ):
        from profiler.backends.onnx_chain import ChainNetworks

        self._digests = digests
        self._fetch = fetch
        self._contents: dict[str, bytes] = {}
        self._chains = ChainNetworks(self._fragment, conditions.batch, conditions.seed)

    def network(self, space: SearchSpace, architecture: Architecture) -> tuple[bytes, Feed]:
        """Return the serialised model of an architecture's network, and its inputs."""
        blocks = chain_blocks(space, architecture)
        if blocks is None:
            raise InvalidTask(f"space: networks of {space.name} are no chains of exported blocks")
        return self._chains.chain(blocks)

    def _fragment(self, name: str, position: int, block: Block) -> Fragment:
        from profiler.backends.onnx_chain import read_fragment

        try:
            return read_fragment(self._content(block.key), name)
        except ValueError as error:
            raise InvalidTask(f"blocks: {block.key}: {error}") from error

    def _content(self, key: str) -> bytes:
        if key not in self._digests:
            raise InvalidTask(f"blocks: the service has not exported {key!r}")
        if key not in self._contents:
            digest = self._digests[key]
            content = self._fetch(digest)
            if hashlib.sha256(content).hexdigest() != digest:
                raise InvalidTask(f"blocks: the file of {digest} has another content")
            self._contents[key] = content
        return self._contents[key]


def exported_backend(name: str, conditions: Conditions, networks: ExportedNetworks) -> Backend:
    """Return a backend that runs networks of exported blocks.

    Args:
        name: One of `exporting.BACKENDS`.
        conditions: Its conditions.
        networks: The networks.

    Raises:
        InvalidTask: The backend needs torch.
    """
    match name:
        case "onnxruntime":
            from profiler.backends.onnxruntime_session import OnnxRuntime

            return OnnxRuntime(conditions, networks=networks)
        case "openvino":
            from profiler.backends.openvino_model import OpenVino

            return OpenVino(conditions, networks)
        case _:
            raise InvalidTask(
                f"backend: {name!r} needs torch, which is not installed on this device"
            )


def has_torch() -> bool:
    """Return whether torch can be imported."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True
