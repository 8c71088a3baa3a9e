"""The check of `rightful doctor` of the workers on other machines: is there a scheduler, who is there, have they what the sources need."""

import threading
import time

import msgspec

from rightful import __version__, distributing
from rightful.cli.machine_checks import Found, refuse
from rightful.config.model import Config
from rightful.engines.cluster import Cluster, Member
from rightful.engines.task import End, read_outcome, seal

_PATIENCE_S = 10.0
_PAUSE_S = 0.1
_HINT = "does `dask scheduler` run there, and are its certificate and those named here of one authority?"


def workers(config: Config) -> Found:
    """Ask the scheduler who is there, and each worker whether it could work."""
    cluster = distributing.cluster_of(config)
    cluster.start(lambda: None)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not cluster.members() and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        members = cluster.members()
        if members is None:
            raise refuse(f"{config.dask.scheduler} cannot be reached", _HINT)
        if differing := cluster.differences():
            raise refuse(f"the scheduler is not of this version: {'; '.join(differing)}", "install the same on all machines")
        if strange := [member for member in members if member.version != __version__]:
            named = ", ".join(f"{member.address} ({member.version})" for member in strange)
            raise refuse(f"workers of another version than {__version__} get no work: {named}", "install the same on all machines")
        if not members:
            raise refuse("the scheduler has no worker", "start `rightful worker` on the machines that are to read")
        _look(config, cluster, members)
    finally:
        cluster.close()
    threads = sum(member.threads for member in members)
    return Found(f"{len(members)} {'worker' if len(members) == 1 else 'workers'}, {threads} threads, of this version")


def _look(config: Config, cluster: Cluster, members: tuple[Member, ...]) -> None:
    """Raise where a worker lacks something."""
    said: dict[str, bytes | None] = {}
    told = threading.Semaphore(0)

    def on_end(address: str, answer: bytes | None) -> None:
        said[address] = answer
        told.release()

    with distributing.marked(config) as paths:
        task = msgspec.structs.replace(distributing.task_of(config, owner="", term=0)(None), paths=paths)
        sent = [cluster.send(seal(task, to.recipient), to, lambda answer, to=to: on_end(to.address, answer)) for to in members]  # type: ignore[misc]  # bound now
        deadline = time.monotonic() + _PATIENCE_S
        for _ in sent:
            told.acquire(timeout=max(0.0, deadline - time.monotonic()))
        for each in sent:
            each.drop()
    for member in members:
        outcome = read_outcome(said.get(member.address))
        if outcome is None:
            raise refuse(f"the worker {member.address} does not answer", "look at its log")
        if outcome.missing:
            missing = ", ".join(paths[number] for number in outcome.missing if 0 <= number < len(paths))
            raise refuse(f"the worker {member.address} lacks {missing}", "mount there what the sources read, at the same path")
        if outcome.end is not End.DONE:
            raise refuse(f"the worker {member.address} cannot work: {outcome.detail}", "install the same on all machines")
