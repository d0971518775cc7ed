"""Training: an `Algorithm` defines an update, and `fit` runs all of them on any devices.

An interrupted training resumes from its checkpoint.
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.training.algorithm import Algorithm as Algorithm
    from oneshot.training.engine import Engine as Engine
    from oneshot.training.execution import Execution as Execution
    from oneshot.training.fitting import fit as fit
    from oneshot.training.stop import Stopped as Stopped

__getattr__, __dir__ = exports(
    __name__,
    {
        "Engine": ".engine",
        "Execution": ".execution",
        "Stopped": ".stop",
        "Algorithm": ".algorithm",
        "fit": ".fitting",
    },
)
