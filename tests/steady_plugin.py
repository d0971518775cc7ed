"""A plug-in with the steady backend; PATHFIT_STEADY_MS is the least duration of each run."""

import os
import time

from profiler.backends.registry import register_backend
from tests.steady import SteadyBackend, SteadyRunner

PAUSE_S = float(os.environ.get("PATHFIT_STEADY_MS", "0")) / 1000


class SlowRunner(SteadyRunner):
    """Takes a while, so that a test can end a process in the middle of a measurement."""

    def whole(self) -> float:
        """Return the time of all blocks, later."""
        time.sleep(PAUSE_S)
        return super().whole()


@register_backend("steady")
class PluginBackend(SteadyBackend):
    """The steady backend for processes of their own."""

    def network_runner(self, space, architecture):  # type: ignore[no-untyped-def]
        """Return a runner of an architecture's network."""
        return SlowRunner(super().network_runner(space, architecture).times)
