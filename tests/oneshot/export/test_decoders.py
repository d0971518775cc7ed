"""Exported decoders: whole texts and single tokens by onnxruntime equal torch."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import spaces
from oneshot.errors import InvalidOption
from oneshot.export.conversion import write_onnx
from oneshot.export.decoding import NamedDecoder, decoding_space
from oneshot.export.inputs import NetworkInputs

LENGTH = 8


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_decoding_by_onnxruntime_equals_one_pass_of_torch(tmp_path: Path) -> None:
    space = spaces.get("decoder-tiny")
    architecture = space.architecture([1, 1, 2, 1, 1, 0, 1])
    network = space.network(architecture).eval()
    inputs = NetworkInputs.from_space(decoding_space(space), architecture)
    path = tmp_path / "step.onnx"
    write_onnx(NamedDecoder(network, list(inputs.names)), inputs, path, {})
    step = session(path)
    names = [entry.name for entry in step.get_outputs()]
    assert names == [
        "logits",
        *("present_key_1", "present_value_1", "present_key_2", "present_value_2"),
    ]

    tokens = torch.randint(16, (2, LENGTH), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, _ = network(tokens)
        _, cache = network(tokens[:, :1], network.empty_cache(2))
    cached = [tensor.numpy() for pair in cache for tensor in pair]

    for position in range(1, LENGTH):
        feed = dict(
            zip(inputs.names, [tokens[:, position : position + 1].numpy(), *cached], strict=True)
        )
        logits, *cached = step.run(None, feed)
        assert np.allclose(logits[:, 0], expected[:, position].numpy(), atol=1e-5)
        assert cached[0].shape[2] == position + 1


def test_texts_of_any_batch_equal_torch(tmp_path: Path) -> None:
    space = spaces.get("decoder-tiny")
    architecture = space.sample(np.random.default_rng(4))
    network = space.network(architecture).eval()
    inputs = NetworkInputs.from_space(space, architecture)
    path = tmp_path / "text.onnx"
    write_onnx(network, inputs, path, {})

    for batch in (1, 5):
        tokens = inputs.make(batch)
        with torch.no_grad():
            expected, _ = network(tokens)
        (logits,) = session(path).run(None, {"tokens": tokens.numpy()})
        assert np.allclose(logits, expected.numpy(), atol=1e-5)


def test_networks_without_a_cache_are_refused() -> None:
    with pytest.raises(InvalidOption, match="cache: networks of spos-tiny have none; leave it out"):
        decoding_space(spaces.get("spos-tiny"))
