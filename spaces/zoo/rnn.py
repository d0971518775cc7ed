"""Recurrent cells for text, as in ENAS and DARTS.

Pham et al., ICML 2018 (arXiv 1802.03268); Liu et al., ICLR 2019 (arXiv 1806.09055; quark0/darts,
rnn/).
"""

from __future__ import annotations

from spaces.errors import InvalidParameter
from spaces.recurrent.search_space import RecurrentSearchSpace
from spaces.recurrent.space import RecurrentSpace
from spaces.registry import register_space
from spaces.space import SearchSpace

_OUTPUTS = ("all", "ends")


@register_space("rnn")
def rnn(
    name: str,
    /,
    *,
    vocabulary: int = 10_000,
    length: int = 35,
    width: int = 300,
    nodes: int = 8,
    output: str = "all",
    dropout_tokens: float = 0.0,
    dropout_inputs: float = 0.0,
    dropout_hidden: float = 0.0,
    dropout_outputs: float = 0.0,
) -> SearchSpace:
    """Build the space of cells of `nodes` nodes over windows of `length` tokens.

    The output is the mean of `all` nodes or of the loose `ends`. The paper's final networks have
    the width 850 and the dropout 0.1, 0.75, 0.25 and 0.75.
    """
    if nodes < 2:
        raise InvalidParameter(f"{name}: a cell has at least 2 nodes, not {nodes}")
    if vocabulary < 2:
        raise InvalidParameter(f"{name}: a vocabulary has at least 2 tokens, not {vocabulary}")
    if output not in _OUTPUTS:
        raise InvalidParameter(
            f"{name}: output must be one of {', '.join(_OUTPUTS)}, not {output!r}"
        )

    dropouts = (dropout_tokens, dropout_inputs, dropout_hidden, dropout_outputs)
    if not all(0 <= probability < 1 for probability in dropouts):
        raise InvalidParameter(f"{name}: probabilities of dropout lie in [0, 1), not {dropouts}")
    return RecurrentSpace(name, length, vocabulary, width, nodes, output == "ends", dropouts)


@register_space("rnn-search")
def rnn_search(
    name: str,
    /,
    *,
    vocabulary: int = 10_000,
    length: int = 35,
    width: int = 300,
    nodes: int = 8,
    networks: str = "rnn",
) -> SearchSpace:
    """Build the network in which the release of DARTS searches for cells of `networks`."""
    if nodes < 2 or vocabulary < 2:
        raise InvalidParameter(
            f"{name}: a cell has at least 2 nodes and a vocabulary 2 tokens, not {nodes} and"
            f" {vocabulary}"
        )
    no_dropout = (0.0, 0.0, 0.0, 0.0)
    return RecurrentSearchSpace(name, networks, length, vocabulary, width, nodes, False, no_dropout)


def _cell(text: str) -> dict[str, str]:
    """Parse `source:activation` pairs, one a node, into choices."""
    choices: dict[str, str] = {}
    for node, pair in enumerate(text.split(), 1):
        source, activation = pair.split(":")
        if node > 1:
            choices[f"node_{node}_input"] = source
        choices[f"node_{node}_activation"] = activation
    return choices


PUBLISHED = {
    "darts-rnn-v1": (
        "rnn",
        _cell("0:relu 1:relu 2:tanh 3:relu 4:relu 1:identity 5:relu 1:relu"),
    ),
    "darts-rnn-v2": (
        "rnn",
        _cell("0:sigmoid 1:relu 1:relu 1:identity 2:tanh 5:sigmoid 3:tanh 5:relu"),
    ),
    "enas-rnn": (
        "rnn(nodes=11, output='ends')",
        _cell(
            "0:tanh 1:tanh 1:relu 3:tanh 3:tanh 3:relu 4:relu 7:relu 8:relu 8:relu 8:relu",
        ),
    ),
}
"""DARTS_V1, DARTS_V2 and ENAS of quark0/darts, rnn/genotypes.py, as name -> (space, choices)."""
