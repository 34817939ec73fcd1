"""The master, as a worker asks it over HTTPS."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from phage.client.client import Client, ClientError
from phage.scan.master import Claim, MasterError, Release, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from phage.records.scantask import EngineReport, WorkerReport
    from phage.scan.vault import Readable

T = TypeVar("T")

PATH = "/api/v1/work"


class WorkClient:
    """Asks the master; used by one thread for tasks, by another to extend leases.

    Args:
        client: For tasks and files.
        second: For leases, while the first is at something long.
    """

    def __init__(self, client: Client, second: Client) -> None:
        self._client = client
        self._second = second

    def beat(self, report: WorkerReport) -> Wanted:
        """Tell of oneself; return what is wanted. Raises MasterError."""
        body = {
            "name": report.name,
            "host": report.host,
            "version": report.version,
            "isolation": report.isolation,
            "reason": report.reason,
            "processes": report.processes,
            "engines": [_engine(each) for each in report.engines],
            "faults": dict(report.faults),
        }
        told = self._ask(self._client, "/beat", body)
        with _understood(self._client.url):
            releases = {name: _made(Release, each) for name, each in told["releases"].items()}
            return Wanted(releases, bool(told["end"]))

    def claim(self, task: str, worker: str) -> Claim | None:
        """Take a task; None when there is nothing to do. Raises MasterError."""
        answer = self._ask(self._client, f"/tasks/{task}/claim", {"worker": worker})
        with _understood(self._client.url):
            told = answer["claim"]
            return _made(Claim, told) if told else None

    @contextmanager
    def sample(self, claim: Claim) -> Iterator[Readable]:
        """Open the file of a task. Raises MasterError."""
        path = f"{PATH}/tasks/{claim.task}/sample"
        try:
            with self._client.octets(path, {"X-Lease": claim.lease}) as octets:
                yield octets
        except ClientError as error:
            raise _of(error) from error

    def extend(self, claim: Claim) -> bool:
        """Keep a task for longer. Raises MasterError."""
        return self._held(self._second, claim, "lease")

    def answer(self, claim: Claim, said: Mapping[str, object]) -> bool:
        """Tell what the engine said. Raises MasterError."""
        return self._held(self._client, claim, "answer", said=dict(said))

    def give_back(self, claim: Claim, error: str) -> bool:
        """Let others do a task that cannot be done here. Raises MasterError."""
        return self._held(self._client, claim, "return", error=error[:1000])

    @contextmanager
    def definitions(self, release: Release) -> Iterator[Readable]:
        """Open a file with definitions. Raises MasterError."""
        try:
            with self._client.octets(f"{PATH}/definitions/{release.id}") as octets:
                yield octets
        except ClientError as error:
            raise _of(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._second.close()

    def _held(self, client: Client, claim: Claim, what: str, **body: object) -> bool:
        told = self._ask(client, f"/tasks/{claim.task}/{what}", {"lease": claim.lease, **body})
        return bool(told.get("held"))

    @staticmethod
    def _ask(client: Client, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        try:
            found = client.ask("POST", PATH + path, body)
        except ClientError as error:
            raise _of(error) from error
        if not isinstance(found, dict):
            raise _strange(client.url)
        return found


def _made(record: Callable[..., T], told: Mapping[str, Any]) -> T:
    """Make a record of what is told; what a later phage tells besides is left out."""
    return record(**{name: told[name] for name in signature(record).parameters if name in told})


@contextmanager
def _understood(url: str) -> Iterator[None]:
    """Raise MasterError where an answer is not what it should be."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise _strange(url) from error


def _strange(url: str) -> MasterError:
    return MasterError(f"{url}: answered what phage does not; is the address right?")


def _of(error: ClientError) -> MasterError:
    """Return what a refusal means; what is not answered, or too early, may be asked again."""
    refused = error.status in range(400, 500) and error.status not in {401, 408, 429}
    refused = refused and error.kind != "again"
    return MasterError(str(error), refused=refused)


def _engine(report: EngineReport) -> dict[str, object]:
    body = asdict(report)
    version = body.pop("version")
    return {
        **body,
        "kind": str(report.kind),
        "accepts": sorted(report.accepts),
        "version": version["engine"],
        "definitions": version["definitions"],
        "built": version["built"],
    }
