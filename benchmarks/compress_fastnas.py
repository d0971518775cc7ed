r"""Prune a network of `compress.py` by FastNAS of NVIDIA Model Optimizer, in its own environment.

    python -m venv runs/fastnas
    runs/fastnas/bin/pip install nvidia-modelopt==0.47.0 torchprofile==0.0.4 requests \
        huggingface_hub
    python benchmarks/compress.py --fastnas runs/fastnas/bin/python -o runs/compress

`compress.py` runs this file. It reads a folder with `network.pt` (the weights), `images.pt` and
`request.json`, and writes `pruned.pt`, weights of smaller shapes, and `answer.json`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

# Batches that recalibrate the normalisation before each score.
_CALIBRATION_BATCHES = 8
_BATCH = 128


def prune(folder: Path) -> dict[str, Any]:
    """Prune the network of a folder, and return the answer."""
    import modelopt.torch.prune as mtp
    from compress_networks import NETWORKS

    request = json.loads((folder / "request.json").read_text())
    torch.manual_seed(request["seed"])
    network = NETWORKS[request["network"]].build()
    network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
    images = torch.load(folder / "images.pt", weights_only=True)

    begin, processor = time.monotonic(), time.process_time()
    try:
        pruned, _ = mtp.prune(
            network,
            mode="fastnas",
            constraints={"flops": f"{request['percent']}%"},
            dummy_input=images["validation"][:1],
            config={
                "data_loader": images["training"].split(_BATCH),
                "collect_func": lambda batch: batch,
                "max_iter_data_loader": _CALIBRATION_BATCHES,
                "score_func": lambda model: accuracy(model, images),
            },
        )
    # Constraints that its space cannot meet are an error of one kind or another.
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:300]}

    torch.save(pruned.state_dict(), folder / "pruned.pt")
    return {
        "search_seconds": round(time.monotonic() - begin, 1),
        "search_processor_seconds": round(time.process_time() - processor, 1),
    }


@torch.no_grad()
def accuracy(network: nn.Module, images: dict[str, Tensor]) -> float:
    """Return the fraction of validation images that are classified correctly."""
    network.eval()
    batches = zip(images["validation"].split(_BATCH), images["labels"].split(_BATCH), strict=True)
    correct = sum(int((network(batch).argmax(1) == labels).sum()) for batch, labels in batches)
    return correct / len(images["labels"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    directory = Path(sys.argv[1])
    answer = prune(directory)
    # Written last: where it is, the pruned weights are complete.
    (directory / "answer.json").write_text(json.dumps(answer))
