"""Zero-cost proxies: estimates of accuracy from an untrained network.

Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (arXiv 2101.08134), compares
most of them. Each family has one file; `measure` computes several proxies of one network.
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from predictor.proxies.registry import available as available
    from predictor.proxies.registry import measure as measure
    from predictor.proxies.subject import Subject as Subject

__getattr__, __dir__ = exports(
    __name__,
    {"Subject": ".subject", "available": ".registry", "measure": ".registry"},
)
