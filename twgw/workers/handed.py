"""What a worker is handed by its parent when it begins: its configuration, its listeners, and how to reach the parent.

It goes through a pipe that only the two have, as a line of JSON: there are secrets in it, so it stands in no file, no
argument and no variable.  The worker does not read the configuration again, as the file may be another one by then.
"""

import json
from typing import Any

import attrs
from attrs import field, frozen

from twgw.cluster.tls import Tls
from twgw.config import Config
from twgw.credentials import Pepper
from twgw.schema import as_written
from twgw.settings import structure


@frozen
class Handed:
    """All of it.  ``config`` is that of the node, as far as it is the worker's."""

    config: Config
    number: int
    """Which worker it is, from 1."""
    of: int
    """How many there are."""
    port: int
    """Where the parent is reached, on the loopback address."""
    sockets: tuple[int, ...]
    """The descriptors of the listeners, in the order of ``[gateway] listen``."""
    board: int
    """The descriptor of what ``balance.py`` shares."""
    ca: str = field(repr=False)
    certificate: str = field(repr=False)
    key: str = field(repr=False)
    """By which the two know each other; made for this start of the node, in PEM."""
    is_key_manager: bool = False
    """Whether the parent is asked for the state: it has the database."""

    @property
    def tls(self) -> Tls:
        """What connections to the parent are made with."""
        return Tls(self.ca, self.certificate, self.key)

    def written(self) -> bytes:
        """As a line."""
        found: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        found["config"] = as_written(attrs.evolve(self.config, node=attrs.evolve(self.config.node, pepper=None)))
        pepper = self.config.node.pepper
        return json.dumps({**found, "pepper": pepper.text if pepper else None}).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Handed":
        """The same again."""
        found = json.loads(line)
        config, pepper = structure(Config, found.pop("config")), found.pop("pepper")
        if pepper:
            config = attrs.evolve(config, node=attrs.evolve(config.node, pepper=Pepper.from_text(pepper)))
        return cls(config=config, **{**found, "sockets": tuple(found["sockets"])})


_PLAIN = [it.name for it in attrs.fields(Handed) if it.name != "config"]
