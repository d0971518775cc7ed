"""One-shot algorithms: each trains a supernet's weights and its architecture (see
`oneshot.algorithms.registry`).
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.algorithms.algorithm import Setting as Setting
    from oneshot.algorithms.architecture import ArchitectureAlgorithm as ArchitectureAlgorithm
    from oneshot.algorithms.preset import Preset as Preset
    from oneshot.algorithms.registry import available as available
    from oneshot.algorithms.registry import register_algorithm as register_algorithm

__getattr__, __dir__ = exports(
    __name__,
    {
        "ArchitectureAlgorithm": ".architecture",
        "Preset": ".preset",
        "Setting": ".algorithm",
        "available": ".registry",
        "register_algorithm": ".registry",
    },
)
