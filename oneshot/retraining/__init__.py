"""Retraining: training and testing the networks of architectures from any format."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.retraining.algorithm import Retraining as Retraining
    from oneshot.retraining.network_training import train_network as train_network
    from oneshot.retraining.options import RetrainOptions as RetrainOptions
    from oneshot.retraining.source import read_source as read_source
    from oneshot.retraining.supernet_weights import inherit as inherit

__getattr__, __dir__ = exports(
    __name__,
    {
        "RetrainOptions": ".options",
        "Retraining": ".algorithm",
        "inherit": ".supernet_weights",
        "read_source": ".source",
        "train_network": ".network_training",
    },
)
