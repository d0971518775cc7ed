"""Train the supernet."""

import torch
from network import OneShot, accuracy, points
from torch import nn

from oneshot.nni import ModelCheckpoint, SPOSSupernetTrainer

torch.manual_seed(0)
model = OneShot()
optimizer = torch.optim.SGD(model.parameters(), 0.1)
trainer = SPOSSupernetTrainer(
    model,
    nn.CrossEntropyLoss(),
    accuracy,
    optimizer,
    3,
    points(0),
    points(1),
    callbacks=[ModelCheckpoint("checkpoints")],
)
trainer.train()
