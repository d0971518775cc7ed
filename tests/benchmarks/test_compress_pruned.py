"""Networks that another environment has pruned: their shapes, and what is refused."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from oneshot.data.registry import load
from spaces.elastic import from_network

pytest.importorskip("torch_pruning")

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def pruned(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of pruned networks."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("compress_pruned")


@pytest.mark.parametrize("name", ["resnet", "mobilenetv2"])
def test_network_adopts_smaller_shapes(pruned: ModuleType, name: str) -> None:
    networks = importlib.import_module("compress_networks").NETWORKS
    torch.manual_seed(0)
    space = from_network(networks[name].build(), torch.zeros(1, 3, 16, 16), f"elastic-{name}")
    # All widths are the narrowest, and no block or kernel changes.
    keys = {choice.key for choice in space.choices if choice.key.endswith((".block", ".kernel"))}
    narrow = [0 if choice.key in keys else len(choice.candidates) - 1 for choice in space.choices]
    smaller = space.network(space.architecture(narrow))

    network = networks[name].build()
    pruned.adopt_shapes(network, smaller.state_dict())

    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network.eval()(images), smaller.eval()(images))
    assert network.blocks[0].state_dict().keys() == smaller.blocks[0].state_dict().keys()


def test_refusal_is_kept_and_reported(pruned: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "python"
    # In the place of the other environment's Python: it answers that nothing fits.
    answer = json.dumps({"refused": "ValueError: nothing fits"})
    lines = [
        f"#!{sys.executable}",
        "import sys, pathlib",
        f"pathlib.Path(sys.argv[2], 'answer.json').write_text({answer!r})",
    ]
    script.write_text("\n".join(lines))
    script.chmod(0o755)
    data = load("digits", (1, 8, 8), limit=64)
    network = torch.nn.Linear(2, 2)

    for _ in range(2):
        with pytest.raises(pruned.Refused, match="nothing fits"):
            pruned.fastnas_network(
                script,
                "resnet",
                network,
                data,
                tmp_path / "exchange",
                percent=40,
                images=8,
                seed=0,
            )
        # The second time the answer is read, without a run of the script.
        script.write_text("#!/bin/false\n")

    images = torch.load(tmp_path / "exchange" / "images.pt", weights_only=True)
    assert len(images["validation"]) == len(images["labels"]) == 8
