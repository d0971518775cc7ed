"""One-shot algorithms: each trains a supernet's weights and its architecture (see
`oneshot.algorithms.registry`).
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.algorithms.algorithm import Preset as Preset
    from oneshot.algorithms.registry import available as available
    from oneshot.algorithms.registry import register_algorithm as register_algorithm
    from oneshot.algorithms.task import ArchitectureTask as ArchitectureTask
    from oneshot.algorithms.task import Setting as Setting

__getattr__, __dir__ = exports(
    __name__,
    {
        "ArchitectureTask": ".task",
        "Preset": ".registry",
        "Setting": ".task",
        "available": ".registry",
        "register_algorithm": ".registry",
    },
)
