"""What an operator reads over REST: the audit, and how the installation is.  Part of ``rest.py``."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from sqlalchemy.engine import Connection

from twgw import __version__
from twgw.faults import Fault
from twgw.registry import AuditEntry
from twgw.settings import setting
from twgw.storage import audit as stored
from twgw.storage import log
from twgw.web.asking import after, limit_of
from twgw.web.permissions import Permission
from twgw.web.refusals import invalid
from twgw.web.view import MOST, Call, Page, Views

views = Views("audit and status")


@frozen
class Query:
    """Which entries."""

    actor: str | None = setting("Only what this user did.", default=None)
    subject: str | None = setting("Only what was done to this.", default=None)
    limit: int = setting("How many entries at most, 1 to 100.", default=MOST)
    cursor: str = setting("Where to go on: next of the page before. Empty: from the newest.", default="")


@frozen
class ShownEntry:
    """Who changed what."""

    seq: int = setting("Its number, from 1.")
    at: float = setting("UNIX time.")
    actor: str = setting("The user who did it; empty where nobody had to be logged in.")
    action: str = setting("What was done, as the operation is called here.")
    subject: str = setting("To what: its path here.")
    before: Any = setting("What was there before, without secrets.")
    after: Any = setting("What is there since, without secrets.")
    hash: str = setting("Over the entry and the hash before it.")


@frozen
class Verification:
    """Whether the audit is as it was written."""

    good: bool = setting("Whether every entry follows from the one before.")
    entries: int = setting("How many do.")
    hash: str = setting("Of the last of them: kept elsewhere, it shows whether all of them were written anew.")
    fault: str = setting("What is wrong after it.")


@frozen
class Status:
    """How the installation is."""

    version: str = setting("The version of twgw that answers.")
    epoch: int = setting("The epoch of the log.")
    position: int = setting("The position of the last record of the log.")
    node: Mapping[str, Any] = setting("What the node that answers says of itself, as /readyz does.")


@views.view("GET", "/audit", permission=Permission.AUDIT_READ, query=Query, answers=ShownEntry, paged=True)
def list_audit(call: Call, connection: Connection) -> Page:
    """List what was changed, the newest first."""
    query, limit, start = call.query, limit_of(call.query), after(call.query)
    if start is not None and not (start.isascii() and start.isdigit() and len(start) < 16):
        raise invalid([Fault("cursor", "must be next of a page before")])
    before = None if start is None else int(start)
    found = stored.list_audit(connection, before, limit + 1, actor=query.actor, subject=query.subject)
    last = str(found[limit - 1].seq) if len(found) > limit else None
    return Page([_shown(entry) for entry in found[:limit]], last)


def _shown(entry: AuditEntry) -> ShownEntry:
    return ShownEntry(
        seq=entry.seq, at=entry.at, actor=entry.actor, action=entry.action, subject=entry.subject,
        before=entry.before, after=entry.after, hash=entry.hash,
    )  # fmt: skip


@views.view("GET", "/audit/verification", permission=Permission.AUDIT_READ, answers=Verification)
def verify_audit(_call: Call, connection: Connection) -> Verification:
    """Follow the chain of the audit from its beginning."""
    found = stored.verify(connection)
    return Verification(good=not found.fault, entries=found.entries, hash=found.hash, fault=found.fault)


@views.view("GET", "/status", permission=Permission.NODE_READ, answers=Status)
def show_status(call: Call, connection: Connection) -> Status:
    """Show how the installation is, and the node that answers."""
    head = log.head(connection)
    return Status(version=__version__, epoch=head.epoch, position=head.pos, node=call.lent.status())
