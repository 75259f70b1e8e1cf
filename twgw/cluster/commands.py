"""What nodes may ask of each other, on one page: commands of AMP, who may send them, and the errors that answer them.

Arguments are only ever added, as ``optional``: a peer leaves out what it does not know.  A value has at most 65,535
bytes; whatever may be larger is read in pieces, by ``Part``.  ``protocol.py`` sends, checks and answers them.
"""

from typing import Any, ClassVar

from twisted.protocols.amp import Boolean, Command, Integer, ListOf, String, Unicode

VERSIONS = (1, 1)
"""The oldest and the newest version of this protocol that is spoken here."""
PIECE = 60_000
"""Bytes of a large answer that are sent at once."""
GATEWAY, KEY_MANAGER, STRANGER = "gateway", "keymanager", "stranger"
"""Who may send what: a role of a certificate, or somebody who has none of the cluster, and wants to join."""
RENEWS = "renews"
"""The ability of a key manager that knows ``Renew``."""


class Refused(Exception):
    """The peer does not do it: it is not allowed, not understood, or too much.  The text says which."""

    reason = "command"
    """By which it is counted."""


class Unknown(Refused):
    """The peer is of an earlier version, and does not know the command."""


class Removed(Refused):
    """The peer was taken out of the cluster."""

    reason = "removed"


class Broken(Exception):
    """The peer failed over it; its own log says why."""


class Away(Exception):
    """The peer cannot do it now: its database does not answer."""


class Lost(Exception):
    """Nobody knows: the connection ended before the answer."""


ERRORS: dict[type[Exception], bytes] = {Refused: b"REFUSED", Broken: b"BROKEN", Away: b"AWAY"}
"""All that an answer may be instead of what was asked for, for every command."""


class Hello(Command):
    """First on every connection, by the one that opened it.  Who it is, its certificate says; this must agree."""

    senders: ClassVar = frozenset({GATEWAY, KEY_MANAGER})
    arguments: ClassVar = [
        (b"cluster", Unicode()),
        (b"node", Unicode()),
        (b"boot", Unicode()),  # drawn anew by every start of a process
        (b"link", Unicode()),  # control or bulk
        (b"oldest", Integer()),
        (b"newest", Integer()),
        (b"abilities", ListOf(Unicode(), optional=True)),
    ]
    response: ClassVar = [
        (b"version", Integer()),
        (b"boot", Unicode()),
        (b"abilities", ListOf(Unicode(), optional=True)),
    ]
    errors: ClassVar[Any] = ERRORS


class Ping(Command):
    """Is the other end alive?"""

    senders: ClassVar = frozenset({GATEWAY, KEY_MANAGER})
    arguments: ClassVar = []
    response: ClassVar = []
    errors: ClassVar[Any] = ERRORS


class Tell(Command):
    """A message of ``messages.py``, by the name of its class, as JSON.  It has no answer: positions carry truth."""

    senders: ClassVar = frozenset({GATEWAY, KEY_MANAGER})
    requiresAnswer = False  # noqa: N815 - Twisted's name
    arguments: ClassVar = [(b"kind", Unicode()), (b"body", String())]
    response: ClassVar = []
    errors: ClassVar[Any] = ERRORS


class Advanced(Command):
    """The log went on.  Whoever follows it reads what is new; nothing is believed because of this."""

    senders: ClassVar = frozenset({KEY_MANAGER})
    requiresAnswer = False  # noqa: N815 - Twisted's name
    arguments: ClassVar = [(b"epoch", Integer()), (b"position", Integer())]
    response: ClassVar = []
    errors: ClassVar[Any] = ERRORS


_PIECES = [(b"answer", Integer()), (b"size", Integer()), (b"piece", String())]
"""A large answer: its number on this connection, its whole size, and its beginning; the rest is read by ``Part``."""


class ReadAll(Command):
    """Everything that gateways are to have in force, and as of which position."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"most", Integer(optional=True))]  # APIs; of more only their names are wanted
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class ReadNews(Command):
    """What followed a position."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [
        (b"epoch", Integer()),
        (b"position", Integer()),
        (b"most", Integer(optional=True)),  # APIs; of more only their names are wanted
    ]
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class ReadApis(Command):
    """APIs by their names, for whoever was told these alone as news."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"wanted", String())]
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class ReadFacts(Command):
    """Whose keys and tokens these are, and whether their applications may call."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"wanted", String())]
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class ReadKeys(Command):
    """The secrets that a gateway needs: peppers, to know keys by, and keys for signing what it tells upstreams."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = []
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class ReadCounted(Command):
    """What was counted against long limits at a place: a node's own, or that of all nodes together."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"place", Unicode())]
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class KeepCounted(Command):
    """Keep what was counted, where it is more than what is kept."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"place", Unicode()), (b"values", String())]
    response: ClassVar = []
    errors: ClassVar[Any] = ERRORS


class Renew(Command):
    """Another certificate for whoever has one that is about to end: for the same name and roles, with another key.

    Only a key manager that says so in its hello (``RENEWS``) knows this command.
    """

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"request", Unicode())]
    response: ClassVar = [(b"certificate", Unicode())]
    errors: ClassVar[Any] = ERRORS


class Part(Command):
    """A further piece of a large answer."""

    senders: ClassVar = frozenset({GATEWAY, KEY_MANAGER})
    arguments: ClassVar = [(b"answer", Integer()), (b"offset", Integer())]
    response: ClassVar = [(b"piece", String())]
    errors: ClassVar[Any] = ERRORS


class Status(Command):
    """Which nodes are connected, and how far each has the log in force."""

    senders: ClassVar = frozenset({GATEWAY, KEY_MANAGER})
    arguments: ClassVar = []
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class Reserve(Command):
    """A worker reserves numbers of limits with its parent, where no memcached counts them."""

    senders: ClassVar = frozenset({GATEWAY})
    arguments: ClassVar = [(b"wanted", String())]
    response: ClassVar = [(b"replies", String())]
    errors: ClassVar[Any] = ERRORS


class Measure(Command):
    """A parent reads the metrics of a worker."""

    senders: ClassVar = frozenset({KEY_MANAGER})
    arguments: ClassVar = []
    response: ClassVar = _PIECES
    errors: ClassVar[Any] = ERRORS


class Join(Command):
    """Take me in: a token that was handed out, and a request for a certificate.  The one that a stranger may send."""

    senders: ClassVar = frozenset({STRANGER})
    arguments: ClassVar = [
        (b"secret", String()),
        (b"request", Unicode()),
        (b"node", Unicode()),
        (b"roles", ListOf(Unicode())),
        (b"most", Boolean(optional=True)),  # as many of the roles as the token allows
    ]
    response: ClassVar = [
        (b"certificate", Unicode()),
        (b"settings", Unicode(optional=True)),  # as handover.py writes them
    ]
    errors: ClassVar[Any] = ERRORS
