"""The encoders that read sequences of choices: tokens, MLP, LSTM."""

import numpy as np
import torch
from torch import nn

import spaces
from predictor.encoders.lstm import LstmEncoder
from predictor.encoders.mlp import MlpEncoder
from predictor.encoders.tokens import tokens, vocabulary


def test_equal_candidates_are_one_token() -> None:
    space = spaces.get("nasbench101")
    words = vocabulary(space)
    assert words == ["0", "1", "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    codes = space.sample(np.random.default_rng(0), 10)
    taken = [[words[token] for token in row] for row in tokens(space, codes).tolist()]
    assert taken == [list(architecture.choices.values()) for architecture in space.decode(codes)]


def test_the_multilayer_perceptron_knows_which_choice_is_which() -> None:
    space = spaces.get("spos-tiny")
    encoder = MlpEncoder.from_space(space, channels=4, hidden=(8,)).eval()
    codes = space.check(np.array([[0, 0, 0, 0, 0, 3], [3, 0, 0, 0, 0, 0]]))
    one, other = encoder(encoder.inputs(space, codes)).tolist()
    assert one != other
    assert encoder.head[0].in_features == 6 * 4


def test_the_recurrent_state_is_carried_through_the_sequence() -> None:
    space = spaces.get("spos-tiny")
    encoder = LstmEncoder.from_space(space, channels=5, hidden=7, layers=2, head=(8,)).eval()
    sequence = encoder.inputs(space, space.sample(np.random.default_rng(0), 3))
    cells = nn.ModuleList([nn.LSTMCell(5, 7), nn.LSTMCell(7, 7)])
    for layer, cell in enumerate(cells):
        cell.load_state_dict(
            {name: encoder.lstm.get_parameter(f"{name}_l{layer}") for name in cell.state_dict()}
        )
    states = [(torch.zeros(3, 7), torch.zeros(3, 7)) for _ in cells]
    for step in range(sequence.shape[1]):
        x = encoder.embedding.weight[sequence[:, step]]
        for layer, cell in enumerate(cells):
            states[layer] = cell(x, states[layer])
            x = states[layer][0]
    torch.testing.assert_close(encoder.features(sequence), x)
