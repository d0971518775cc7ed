"""A small supernet as an NNI user writes it, with its data."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from oneshot.nni import mutables


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.branch_main = nn.Sequential(
            nn.Linear(6, width), nn.BatchNorm1d(width, affine=False), nn.ReLU(), nn.Linear(width, 6)
        )

    def forward(self, x):
        return x + self.branch_main(x)


class OneShot(nn.Module):
    def __init__(self):
        super().__init__()
        self._parsed_flops = {}
        features = []
        for _ in range(3):
            choice_block = mutables.LayerChoice([Block(4), Block(8), Block(16)])
            self._parsed_flops[choice_block.key] = [10, 20, 40]
            features.append(choice_block)
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(6, 2)

    def get_candidate_flops(self, candidate):
        return sum(self._parsed_flops[key][value["_idx"]] for key, value in candidate.items())

    def forward(self, x):
        return self.classifier(self.features(x))


def points(seed):
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(64, 6, generator=generator)
    return DataLoader(TensorDataset(data, (data[:, :3].sum(1) > 0).long()), batch_size=16)


def accuracy(output, target):
    return {"acc1": (output.argmax(1) == target).float().mean().item()}
