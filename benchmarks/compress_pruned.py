"""Networks that FastNAS prunes in another environment, for `compress.py`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import torch
from torch import nn

from oneshot.data.images import ImageData
from oneshot.data.split import Split

SCRIPT = Path(__file__).with_name("compress_fastnas.py")


class Refused(Exception):
    """FastNAS has no network within the limit."""


def fastnas_network(
    python: Path,
    name: str,
    network: nn.Module,
    data: ImageData,
    folder: Path,
    *,
    percent: int,
    images: int,
    seed: int,
) -> tuple[nn.Module, dict[str, float]]:
    """Return the network that FastNAS makes of a trained one, and the seconds that it took.

    Args:
        python: Python of an environment with NVIDIA Model Optimizer.
        name: Name of the network in `compress_networks`.
        network: Trained network, which is changed.
        data: Data set; as for a compression, scores are of validation images.
        folder: Folder of the exchange, in which a finished pruning is kept.
        percent: Percent of the multiply-accumulates.
        images: Number of validation images of a score.
        seed: Seed of the pruning.

    Raises:
        Refused: No network of its space is within the limit.
    """
    answer = folder / "answer.json"
    if not answer.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), folder / "network.pt")
        validation, labels = _first(data.validation, images)
        training, _ = _first(data.train, 1024)
        tensors = {"training": training, "validation": validation, "labels": labels}
        torch.save(tensors, folder / "images.pt")
        request = {"network": name, "percent": percent, "seed": seed}
        (folder / "request.json").write_text(json.dumps(request))

        root = str(Path(__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": root}
        # It prints tables of its search space.
        subprocess.run(
            [python, SCRIPT, folder], env=environment, check=True, stdout=subprocess.DEVNULL
        )

    values = json.loads(answer.read_text())
    if "refused" in values:
        raise Refused(values["refused"])
    adopt_shapes(network, torch.load(folder / "pruned.pt", weights_only=True))
    return network, values


def _first(split: Split, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = next(iter(split.batches(min(count, len(split)))))
    return images.contiguous(), labels


def adopt_shapes(network: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Give a network weights of smaller shapes, and its layers the numbers that belong to them.

    Args:
        network: Network of convolutions, batch normalisations and linear layers.
        state: Weights and statistics of the smaller network.
    """
    for path, module in network.named_modules():
        weight = state.get(f"{path}.weight")
        if weight is None:
            continue

        if isinstance(module, nn.Conv2d):
            module.out_channels = len(weight)
            # A depthwise convolution has as many groups as channels.
            if module.groups > 1:
                module.groups = len(weight)
            module.in_channels = weight.shape[1] * module.groups
        elif isinstance(module, nn.Linear):
            module.out_features, module.in_features = weight.shape
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features = len(weight)

        for name, parameter in list(module.named_parameters(recurse=False)):
            value = state[f"{path}.{name}"]
            module.register_parameter(name, nn.Parameter(value.clone(), parameter.requires_grad))
        for name, _ in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, state[f"{path}.{name}"].clone())
