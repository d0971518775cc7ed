"""Networks that agents without torch join from exported blocks."""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import spaces
from profiler.agent.exported import ExportedNetworks, exported_backend
from profiler.agent.exporting import can_export, export_blocks
from profiler.backends.base import Conditions
from profiler.backends.onnx_chain import read_fragment
from profiler.backends.onnx_networks import OnnxNetworks
from profiler.backends.torch_eager import unit_variance
from profiler.errors import InvalidTask, UnsupportedConditions
from spaces.modules.blocks import build
from spaces.modules.network import materialise

SPACE = spaces.get("spos-tiny(input_size=16, repeats=(1, 1, 1))")
CONDITIONS = Conditions("cpu", batch=2)
SEED = 3


@pytest.fixture(scope="module")
def blocks() -> dict[str, bytes]:
    """Return the blocks of the space by their keys."""
    return dict(export_blocks(SPACE, SPACE.all_blocks, CONDITIONS.batch, SEED))


def exported(
    blocks: dict[str, bytes], fetch: Callable[[str], bytes] | None = None
) -> ExportedNetworks:
    by_digest = {hashlib.sha256(content).hexdigest(): content for content in blocks.values()}
    digests = {key: hashlib.sha256(content).hexdigest() for key, content in blocks.items()}
    return ExportedNetworks(digests, fetch or by_digest.__getitem__, CONDITIONS)


def test_each_block_is_a_model_that_runs_by_itself(blocks: dict[str, bytes]) -> None:
    for key, block in SPACE.all_blocks.items():
        onnx.checker.check_model(onnx.load_from_string(blocks[key]))
        session = onnxruntime.InferenceSession(blocks[key], providers=["CPUExecutionProvider"])
        images = np.ones((CONDITIONS.batch, *block.input), dtype=np.float32)
        (output,) = session.run(None, {"block.in": images})
        assert output.shape == (CONDITIONS.batch, *block.output)


def test_joined_network_computes_what_its_blocks_do(blocks: dict[str, bytes]) -> None:
    architecture = SPACE.architecture([0, 3, 1])
    proto, feed = exported(blocks).network(SPACE, architecture)
    session = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, feed)

    value = torch.from_numpy(feed["image"])
    with torch.no_grad():
        for block in SPACE.blocks(architecture):
            generator = torch.Generator().manual_seed(SEED)
            module = materialise(partial(build, block), unit_variance, generator)
            value = module.eval()(value)
    np.testing.assert_allclose(output, value.numpy(), rtol=1e-3, atol=1e-4)


def test_joined_network_has_the_graph_that_torch_writes(blocks: dict[str, bytes]) -> None:
    architecture = SPACE.architecture([2, 0, 3])
    networks = (exported(blocks), OnnxNetworks(CONDITIONS.batch, CONDITIONS.seed))
    (joined, joined_feed), (written, feed) = (
        network.network(SPACE, architecture) for network in networks
    )

    def graph(proto: bytes) -> list[tuple[object, ...]]:
        nodes = onnx.load_from_string(proto).graph.node
        return [(node.op_type, node.name, *node.input, "->", *node.output) for node in nodes]

    assert graph(joined) == graph(written)
    assert np.array_equal(joined_feed["image"], feed["image"])


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_backend_runs_exported_networks(blocks: dict[str, bytes], name: str) -> None:
    pytest.importorskip(name)
    backend = exported_backend(name, CONDITIONS, exported(blocks))
    assert backend.network_runner(SPACE, SPACE.architecture([1, 1, 1])).whole() > 0
    assert not backend.times_blocks


def test_block_is_fetched_once(blocks: dict[str, bytes]) -> None:
    fetched = []
    by_digest = {hashlib.sha256(content).hexdigest(): content for content in blocks.values()}

    def fetch(digest: str) -> bytes:
        fetched.append(digest)
        return by_digest[digest]

    networks = exported(blocks, fetch)
    for _ in range(2):
        networks.network(SPACE, SPACE.architecture([0, 0, 0]))
    assert sorted(fetched) == sorted(set(fetched))
    assert len(fetched) == len({block.key for block in SPACE.blocks(SPACE.architecture([0, 0, 0]))})


def test_wrong_files_are_refused(blocks: dict[str, bytes]) -> None:
    architecture = SPACE.architecture([0, 0, 0])
    with pytest.raises(InvalidTask, match="has another content"):
        exported(blocks, lambda digest: b"other").network(SPACE, architecture)

    stem = SPACE.blocks(architecture)[0].key
    with pytest.raises(InvalidTask, match="no ONNX model of a block"):
        exported({**blocks, stem: b"\xff\xff"}).network(SPACE, architecture)

    others = {key: content for key, content in blocks.items() if key != stem}
    with pytest.raises(InvalidTask, match="the service has not exported"):
        exported(others).network(SPACE, architecture)


def test_backends_that_need_torch_run_no_exported_networks(blocks: dict[str, bytes]) -> None:
    with pytest.raises(InvalidTask, match="'ncnn' needs torch"):
        exported_backend("ncnn", CONDITIONS, exported(blocks))


@pytest.mark.parametrize("name", ["nasbench201", "decoder-tiny"])
def test_networks_that_are_no_chains_are_not_exported(name: str) -> None:
    space = spaces.get(name)
    assert not can_export(space, "onnxruntime", "fp32")
    with pytest.raises(UnsupportedConditions, match="are not exported"):
        list(export_blocks(space, [], 1, 0))


def test_names_of_absent_inputs_stay_empty(blocks: dict[str, bytes]) -> None:
    node = onnx.helper.make_node("Resize", ["block.in", "", "", "block.w0"], ["block.0"])
    graph = onnx.helper.make_graph([node], "block", [], [])
    content = onnx.helper.make_model(graph).SerializeToString()
    (renamed,) = read_fragment(content, "b7").nodes
    assert list(renamed.input) == ["b7.in", "", "", "b7.w0"]
