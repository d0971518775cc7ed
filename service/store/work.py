"""Work: what engines do with the jobs of a store; every write of a report names the attempt that it
belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.jobs import Job, JobState
from service.store import engines, jobs, leases
from service.store.engines import EngineStatus
from service.store.events import Told
from service.store.leases import LEASE, Held
from service.store.reading import Reading


class Work(Reading):
    """A store as engines see it."""

    def claim(
        self, engine: str, lease_s: float = LEASE, fits: Mapping[str, float] | None = None
    ) -> Job | None:
        """Begin the next attempt of the oldest queued job; None where none fits.

        Args:
            engine: who begins it.
            lease_s: seconds for which the job is that engine's without a heartbeat.
            fits: `cpus` and `gpus` that are free; None takes any job.
        """
        with self.database.writing() as session:
            now = self.database.now(session)
            job_id = leases.claim(session, now, engine, lease_s, fits)
            job = None if job_id is None else jobs.find(session, job_id).job()
        if job is not None:
            self.changes.tell(job.id)
        return job

    def heartbeat(
        self, engine: str, held: Sequence[Held], lease_s: float = LEASE
    ) -> Sequence[Held]:
        """Prolong an engine's leases.

        Args:
            engine: who reports.
            held: id and attempt of the jobs that it runs.
            lease_s: seconds from now for which they stay its own.

        Returns:
            Those of `held` that are its own no more: cancelled, or queued again meanwhile.
        """
        with self.database.writing() as session:
            return leases.renew(session, self.database.now(session), engine, held, lease_s)

    def cancelled(self, engine: str) -> Sequence[Held]:
        """Id and attempt of the jobs that were cancelled while an engine ran them; told until their
        leases are over.
        """
        with self.database.reading() as session:
            return leases.cancelled(session, self.database.now(session), engine)

    def expire(self) -> int:
        """Queue running jobs again whose lease is over, or fail those that cost too many workers;
        gives how many.
        """
        with self.database.reading() as session:
            if not leases.overdue(session, self.database.now(session)):
                return 0
        with self.database.writing() as session:
            count = leases.expire(session, self.database.now(session))
        self.changes.tell()
        return count

    def recover(self, engine: str | None = None, ending: str | None = None) -> int:
        """Queue again at once what a dead engine left running; gives how many.

        Args:
            engine: the dead one; None where all are dead, as at the start of the only service of a
                data folder.
            ending: how it ended, such as `was killed by SIGKILL`, where its jobs may be to blame:
                it then counts as a death of theirs. None where they are not.
        """
        with self.database.writing() as session:
            count = leases.take_back(session, self.database.now(session), engine, ending)
        self.changes.tell()
        return count

    def report(self, job_id: str, attempt: int, progress: dict[str, Any]) -> None:
        """Record an attempt's progress; raises as `finish`."""
        with self.database.writing() as session:
            jobs.progress(session, job_id, attempt, self.database.now(session), progress)
        self.changes.tell(job_id)

    def finish(
        self, job_id: str, attempt: int, result: dict[str, Any], artifact: str | None
    ) -> None:
        """Record an attempt's result.

        Raises:
            UnknownJob: there is no such job.
            IllegalTransition: it is not running.
            StaleAttempt: another attempt is.
        """
        values = {"result": result, "artifact": artifact, "lease": None}
        self._move(job_id, JobState.DONE, attempt, before=[("result", None)], values=values)

    def fail(self, job_id: str, attempt: int, error: dict[str, Any], *, died: bool = False) -> None:
        """Record why an attempt failed; raises as `finish`."""
        values = {"error": error, "lease": None}
        self._move(
            job_id, JobState.FAILED, attempt, told={"error": error}, died=died, values=values
        )

    def requeue(self, job_id: str, attempt: int, *, died: bool) -> None:
        """Queue a running job again, because its worker died or the service stops; raises as
        `finish`.
        """
        self._move(
            job_id, JobState.QUEUED, attempt, died=died, values={"progress": None, "lease": None}
        )

    def _move(
        self,
        job_id: str,
        target: JobState,
        attempt: int | None,
        *,
        owner: jobs.Owner = jobs.ANY,
        before: Sequence[Told] = (),
        told: dict[str, Any] | None = None,
        died: bool = False,
        values: dict[str, Any] | None = None,
    ) -> None:
        with self.database.writing() as session:
            now = self.database.now(session)
            row = jobs.held(session, job_id, target, attempt, owner)
            row.deaths += int(died)
            jobs.move(session, row, target, now, before=before, told=told, **(values or {}))
        self.changes.tell(job_id)

    def announce(
        self, engine: str, state: str, detail: str | None = None, ray: dict[str, Any] | None = None
    ) -> None:
        """Record what an engine says of itself.

        Args:
            engine: its id.
            state: starting, ready, fault or stopped.
            detail: why, where there is more to say.
            ray: of the Ray that it runs jobs on; None leaves what was said before.
        """
        with self.database.writing() as session:
            engines.announce(session, self.database.now(session), engine, state, detail, ray)

    def engines(self) -> Sequence[EngineStatus]:
        """What engines said of themselves, the one heard last first."""
        with self.database.reading() as session:
            return engines.statuses(session, self.database.now(session))
