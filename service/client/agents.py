"""The part of a client that is about the devices that measure for a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

from service.client.catalog import CatalogClient
from service.jobs import JsonObject


@dataclass(frozen=True)
class Agent:
    """A device that measures for a service.

    Args:
        name: Name that requests use.
        state: ready, measuring or away.
        device: Kind, processor and cores.
        backends: Names of its runtimes.
        threads: Number of threads that it measures with.
        version: Its version of Pathfit.
        has_torch: Whether torch can be imported there; without it chains of exported blocks are
            measured by onnxruntime or OpenVINO.
        seen_s: Seconds since its last request.
        is_own: Whether the client's token decides who may measure there.
        measurers: Tokens that may measure there; None unless it is one's own.
    """

    name: str
    state: str
    device: JsonObject
    backends: Sequence[str]
    threads: int
    version: str
    has_torch: bool
    seen_s: float
    is_own: bool
    measurers: Sequence[str] | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Agent:
        """Read an answer of the service."""
        values: dict[str, Any] = {field.name: value.get(field.name) for field in fields(cls)}
        return cls(**values)


class AgentClient(CatalogClient):
    """Sends requests to one service that are about its agents; see `Client` for the arguments."""

    def agents(self) -> list[Agent]:
        """List the devices that the client's token may measure on."""
        return [Agent.from_dict(item) for item in self.request("GET", "/agents")["items"]]

    def set_measurers(self, agent: str, measurers: Sequence[str]) -> Agent:
        """Decide who may measure on a device of one's own.

        Args:
            agent: Name of the agent.
            measurers: Names of tokens besides one's own; `*` stands for all.

        Raises:
            ServiceProblem: There is no such agent, or it is somebody else's.
        """
        path = f"/agents/{quote(agent, safe='')}/measurers"
        return Agent.from_dict(self.request("PUT", path, {"measurers": list(measurers)}))

    def remove_agent(self, agent: str) -> Agent:
        """Remove an agent of one's own; raises ServiceProblem as `set_measurers`."""
        return Agent.from_dict(self.request("DELETE", f"/agents/{quote(agent, safe='')}"))
