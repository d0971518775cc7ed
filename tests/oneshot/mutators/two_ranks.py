"""One of two processes that train a user's model behind DistributedDataParallel, with a mutator."""

import sys

import torch
from torch import nn
from torch.nn import functional

from oneshot.mutators.mutator import RandomMutator
from spaces.modules.choices import LayerChoice


def model() -> nn.Module:
    torch.manual_seed(0)
    layers = [LayerChoice([nn.Linear(4, 4), nn.Linear(4, 4), nn.Identity()]) for _ in range(3)]
    return nn.Sequential(*layers, nn.Linear(4, 2))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 4, generator=generator), torch.arange(8) % 2


def steps(
    net: nn.Module, mutator: RandomMutator, images: torch.Tensor, labels: torch.Tensor
) -> None:
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(6):
        mutator.reset()
        optimizer.zero_grad()
        functional.cross_entropy(net(images), labels).backward()
        optimizer.step()


def main(rank: int, file: str, out: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=2
    )
    plain = model()
    net = nn.parallel.DistributedDataParallel(plain, find_unused_parameters=True)
    mutator = RandomMutator(net, seed=7)
    assert next(iter(mutator.groups)) == "0"
    images, labels = batch()
    steps(net, mutator, images[rank::2], labels[rank::2])
    torch.save(plain.state_dict(), f"{out}.{rank}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
