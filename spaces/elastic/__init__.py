"""Spaces of smaller versions of a trained network of any kind."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces.elastic.errors import InvalidNetwork as InvalidNetwork
    from spaces.elastic.factory import from_network as from_network
    from spaces.elastic.report import Report as Report
    from spaces.elastic.source import build_network as build_network
    from spaces.elastic.space import ElasticSpace as ElasticSpace

__all__ = ["ElasticSpace", "InvalidNetwork", "Report", "build_network", "from_network"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ElasticSpace": ".space",
        "InvalidNetwork": ".errors",
        "Report": ".report",
        "build_network": ".source",
        "from_network": ".factory",
    },
)
