"""Retrain a fixed architecture and print its accuracy."""

import argparse

import torch
from network import OneShot, accuracy, points

from oneshot.nni import apply_fixed_architecture

parser = argparse.ArgumentParser()
parser.add_argument("--fixed-arc", required=True)
arguments = parser.parse_args()

torch.manual_seed(0)
model = OneShot()
apply_fixed_architecture(model, arguments.fixed_arc)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(10):
    for inputs, targets in points(0):
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

model.eval()
inputs, targets = next(iter(points(2)))
print(accuracy(model(inputs), targets)["acc1"])
