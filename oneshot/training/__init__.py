"""Training: tasks say what is trained, `fit` trains it on any devices, with checkpoints to go on
from.
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.training.engine import Engine as Engine
    from oneshot.training.execution import Execution as Execution
    from oneshot.training.fitting import fit as fit
    from oneshot.training.stop import Stopped as Stopped
    from oneshot.training.task import TrainingTask as TrainingTask

__getattr__, __dir__ = exports(
    __name__,
    {
        "Engine": ".engine",
        "Execution": ".execution",
        "Stopped": ".stop",
        "TrainingTask": ".task",
        "fit": ".fitting",
    },
)
