"""What one pass of the runner knows of everything before it decides for each run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlite_utils import Database

from runner.decisions import HostFacts, Move
from runner.entities import Attempt, Environment, Run
from runner.links import HostLink
from runner.specs import BootstrapSpec
from runner.store import hosts


@dataclass(slots=True)
class Pass:
    """What is read once for all runs: the hosts, the current attempts of what runs (on each of its hosts), and of which runs something is
    being done.
    ``moves`` are the runs that wait for something else from now on."""

    facts: Sequence[HostFacts]
    ranks: Mapping[str, Sequence[Attempt]]
    busy: Collection[str]
    moves: list[tuple[Run, Move]] = field(default_factory=list)

    @property
    def under_way(self) -> set[str]:
        """The directories of attempts that have not ended."""
        return {attempt.directory for ranks in self.ranks.values() for attempt in ranks if attempt.ended_at is None}


def facts_of(db: Database, links: Mapping[str, HostLink], live: Iterable[Run]) -> list[HostFacts]:
    """The hosts as they are now. When one was last seen decides nothing, so it is left out."""
    environments: defaultdict[str, list[Environment]] = defaultdict(list)
    for environment in hosts.environments(db):
        environments[environment.host].append(environment)
    building = {
        run.spec.host: f"Waits for {run.id}, which builds the environment {run.spec.environment} on {run.spec.host}."
        for run in live if isinstance(run.spec, BootstrapSpec)
    }
    return [
        HostFacts(
            replace(link.host, seen_at=None), connected=link.connected, trouble=link.trouble, building=building.get(name, ""),
            environments=environments[name],
        )
        for name, link in links.items()
    ]
