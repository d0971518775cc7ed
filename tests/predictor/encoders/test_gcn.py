"""The GCN with a global node."""

import numpy as np
import torch

import spaces
from predictor.encoders.gcn import GcnEncoder


def test_states_are_those_of_the_augmented_adjacency_matrix() -> None:
    space = spaces.get("darts-tiny")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        encoder = GcnEncoder.from_space(
            space, channels=5, hidden=6, layers=3
        ).eval()  # two cells, several sources
        for conv in encoder.convs:
            torch.nn.init.normal_(conv.bias)
    codes = space.sample(np.random.default_rng(0), 4)
    for row in range(4):
        graphs = encoder.inputs(space, codes[row : row + 1])
        nodes = graphs.operation.shape[1]
        assert graphs.exists.all()
        adjacency = torch.eye(nodes + 1)  # row: the node that gathers, the global one last
        adjacency[:nodes, :nodes] += graphs.incoming[0].T
        adjacency[nodes] = 1
        labels = encoder.labels
        x = torch.cat([labels(graphs.operation, graphs.position)[0], encoder.everything[None]])
        for conv, norm in zip(encoder.convs, encoder.norms, strict=True):
            x = torch.relu(norm(adjacency @ x @ conv.weight.T + conv.bias))
        torch.testing.assert_close(encoder.features(graphs)[0], x[nodes])


def test_the_published_size_can_be_had() -> None:
    encoder = GcnEncoder.from_space(spaces.get("nasbench201"), hidden=600)
    assert [tuple(conv.weight.shape) for conv in encoder.convs] == [(600, 48), *[(600, 600)] * 3]
    assert encoder.dropout.p == 0.2
