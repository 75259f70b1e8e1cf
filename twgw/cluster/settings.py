"""The section [cluster] of the configuration: how nodes find and recognize each other.  Pure."""

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
from attrs import frozen, validators

from twgw.faults import Fault
from twgw.listen import Listen
from twgw.settings import setting

PORT = 8091
FOLDER = "cluster"
"""Of the files in the data directory."""
NAME = r"[A-Za-z0-9._-]{1,100}"
"""What a cluster and a node may be called: it stands in certificates, as part of a URI."""
LONGEST = 253
"""Characters of a host's name (RFC 1035)."""
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)


@frozen
class Address:
    """Where a node is reached."""

    host: str
    port: int = PORT

    @classmethod
    def from_text(cls, text: str) -> "Address":
        """Read ``HOST`` or ``HOST:PORT``; an IPv6 address stands in brackets.  Raises ValueError."""
        found = _ADDRESS.fullmatch(text)
        if not found or len(found[1]) > LONGEST or not 0 < int(found[2] or PORT) <= 65535:
            raise ValueError(f"must be HOST or HOST:PORT, such as gateway1:{PORT}, an IPv6 address in brackets")
        return cls(found[1].strip("[]"), int(found[2] or PORT))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class ClusterSettings:
    """How nodes speak with each other: over TLS, with certificates of the cluster's own (twgw cluster init, join)."""

    name: str = setting(
        "Name of the cluster. It stands in the certificates of its nodes; those of another cluster are refused.",
        default="twgw",
        validator=validators.matches_re(NAME),
    )
    listen: Listen | None = setting(
        f"Where a node with the database answers the others: tcp:{PORT}, with :interface=ADDRESS when only one address "
        "is meant. TLS is spoken there in any case. Empty: nowhere.",
        default=None,
    )
    advertise: Address | None = setting(
        "HOST or HOST:PORT by which other nodes reach it. Empty: the address in listen, else the name of the node, "
        "and the port of listen.",
        default=None,
    )
    lease: float = setting(
        "Seconds for which a gateway trusts what it knows when nobody renews that. One that is cut off holds up a "
        "revocation for so long, and then answers 503. The same on all nodes.",
        default=4.0,
        validator=validators.and_(validators.ge(2), validators.le(60)),
    )
    session: float = setting(
        "Seconds for which a node with the database lets gateways go on when the database does not answer. A node that "
        "is killed or cut off from it holds up a revocation for so long. The same on all nodes, not less than lease.",
        default=15.0,
        validator=validators.and_(validators.ge(2), validators.le(600)),
    )
    keymanagers: tuple[Address, ...] = setting(
        f"HOST or HOST:PORT (else {PORT}) of the nodes with the database, for a node that has none. "
        "The first that answers is asked.",
        default=(),
    )
    ca: Path | None = setting(
        f"PEM file of the certificate by which those of the cluster are known. Empty: {FOLDER}/ca.pem in data_dir.",
        default=None,
    )
    certificate: Path | None = setting(
        f"PEM file of this node's certificate. Empty: {FOLDER}/node.pem in data_dir.", default=None
    )
    key: Path | None = setting(
        f"PEM file of its private key, for its owner alone to read. Empty: {FOLDER}/node-key.pem in data_dir.",
        default=None,
    )

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """CA, certificate and key, once it is settled."""
        assert self.ca is not None
        assert self.certificate is not None
        assert self.key is not None
        return self.ca, self.certificate, self.key

    @property
    def says_where(self) -> bool:
        """Whether an address of this node is named; its name may mean nothing to other nodes."""
        if self.advertise is not None:
            return True
        return self.listen is not None and self.listen.interface not in ("", "0.0.0.0", "::")

    def address(self, node: str) -> Address:
        """Where other nodes reach this one, which is called ``node``: what is advertised, else what it listens on."""
        if self.advertise is not None:
            return self.advertise
        if self.listen is None:
            return Address(node)
        return Address(self.listen.interface if self.says_where else node, self.listen.port)

    def settled(self, data_dir: Path) -> "ClusterSettings":
        """The same with every file named."""
        folder = data_dir / FOLDER
        return attrs.evolve(
            self,
            ca=self.ca or folder / "ca.pem",
            certificate=self.certificate or folder / "node.pem",
            key=self.key or folder / "node-key.pem",
        )

    def faults(self, roles: tuple[str, ...], *, file: bool, database: bool) -> Iterator[Fault]:
        """What is wrong between it and the rest: the roles of the node, and whether a file or a database is named."""
        if self.session < self.lease:
            yield Fault("cluster.session", f"must not be less than lease, which is {self.lease:g}")
        if self.listen and self.listen.kind != "tcp":
            yield Fault("cluster.listen", "must be tcp:PORT: TLS is spoken there in any case, with ca and certificate")
        if self.listen and self.keymanagers:
            yield Fault("cluster.listen", "stands beside keymanagers; a node has the database, or asks those that have")
        if self.listen and file:
            yield Fault("cluster.listen", "needs a database; take [state] file away and run: twgw config sync FILE")
        if self.listen and "keymanager" not in roles:
            yield Fault("cluster.listen", "needs keymanager in [node] roles")
        if self.keymanagers and (file or database):
            other = "[state] file" if file else "[database] url"
            yield Fault("cluster.keymanagers", f"stands beside {other}; take one of them away")
        if self.keymanagers and "keymanager" in roles:
            yield Fault("cluster.keymanagers", 'a node that asks others is none itself; set [node] roles = ["gateway"]')
