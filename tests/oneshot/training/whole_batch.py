"""One of two processes that normalise their halves of a batch together; prints the greatest
differences as JSON.
"""

import copy
import json
import sys

import torch
import torch.distributed
from torch import nn

from oneshot.training.normalisation import WholeBatch
from spaces.modules.elastic import ElasticBatchNorm


def main(rank: int, meeting: str) -> None:
    """Compare outputs, gradients and statistics with those of the whole batch in this process
    alone.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    images = 3 + torch.randn(8, 3, 5, 5, dtype=torch.float64)
    labels = torch.randint(4, (8,))
    whole = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        ElasticBatchNorm(9),  # narrower than it could be, without scale and shift
        nn.Flatten(),
        nn.BatchNorm1d(54, momentum=None),
        nn.Linear(54, 4),
    ).double()
    together, alone = copy.deepcopy(whole), copy.deepcopy(whole)
    expected = whole(images)
    nn.functional.cross_entropy(expected, labels).backward()
    half = slice(4 * rank, 4 * rank + 4)
    with WholeBatch():
        outputs = together(images[half])
        nn.functional.cross_entropy(outputs, labels[half]).backward()
    gradients = torch.cat([value.grad.flatten() for value in together.parameters()])
    torch.distributed.all_reduce(gradients)
    statistics = [
        torch.cat([value.double().flatten() for value in one.buffers()])
        for one in (together, whole)
    ]
    pairs = {
        "outputs": (outputs, expected[half]),
        "gradients": (
            gradients / 2,
            torch.cat([value.grad.flatten() for value in whole.parameters()]),
        ),
        "statistics": statistics,
        "alone": (alone(images[half]), expected[half]),
    }
    found = {name: float((one - other).abs().max()) for name, (one, other) in pairs.items()}
    with WholeBatch():
        one, other = together.eval()(images[half]), whole.eval()(images[half])
    found["evaluation"] = float((one - other).abs().max())
    torch.distributed.destroy_process_group()
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
