"""The key manager of a node, put together: its endpoints and pages as blueprints, and what has to be done now and then.

Made by ``tap.py``.
"""

from collections.abc import Callable
from typing import Any

from attrs import define
from flask import Blueprint

from twgw import jwt
from twgw.credentials import Peppers
from twgw.issuer import Issuer
from twgw.keymanager.client import ClientSettings
from twgw.keymanager.endpoints import KeyManager
from twgw.keymanager.jwks import due, overlap
from twgw.keymanager.pages import Pages
from twgw.keymanager.server import World
from twgw.keymanager.settings import KeyManagerSettings
from twgw.settings import structure
from twgw.storage import keys
from twgw.storage.clients import list_client_settings
from twgw.storage.errors import Unavailable
from twgw.storage.sessions import prune_sessions
from twgw.storage.tokens import prune_tokens
from twgw.web.people import People

EVERY = 60.0
"""Seconds between two rounds of housekeeping."""
PIECE = 2000
"""Tokens that are deleted in one transaction."""
KIND = "signing"


@define(eq=False)
class Service:
    """One key manager."""

    settings: KeyManagerSettings
    database: Any
    issuer: Issuer
    peppers: Peppers
    wall: Callable[[], float]
    warn: Callable[..., None]
    """The log, from threads."""
    people: People

    def blueprints(self) -> tuple[Blueprint, ...]:
        """Everything that it answers."""
        said = self.settings
        world = World(
            issuer=self.issuer.name,
            digest=self.peppers.digest,
            digests=self.peppers.digests,
            ring=self.issuer.ring,
            access_seconds=said.access_seconds,
            refresh_seconds=said.refresh_seconds,
            password_grant=said.password_grant,
        )
        people = self.people
        manager = KeyManager(world, self.database, self.wall, people.rate, people.log_in, self.warn)
        return manager.blueprint(), Pages(manager).blueprint()

    async def one_round(self) -> None:
        """Keep house.  What fails is told: another round comes."""
        try:
            await self.keep_house()
        except Unavailable as error:
            self.warn("{error}", error=error)
        except Exception as error:  # noqa: BLE001 - there is another round
            self.warn("what has ended could not be let go of: {error!r}", error=error)

    async def keep_house(self) -> None:
        """Let go of what has ended, in small pieces, and make a new key for signing when it is time.

        Raises Unavailable.
        """
        while await self.database.run(self._prune, write=True) >= PIECE:
            pass

    def _prune(self, connection: Any) -> int:
        now = self.wall()
        gone = prune_tokens(connection, now, PIECE)
        if gone < PIECE:
            prune_sessions(connection, now)
            keys.prune_keys(connection, now)
            if due(keys.keys_of(connection, KIND, now=now), now, self.settings.rotate_days * 86400):
                rotate(connection, self.settings.access_seconds, now=now)
        return gone


def rotate(connection: Any, access_seconds: float, *, now: float) -> int:
    """Make a new key for signing, keep the others while a token of theirs may live, and return the position.

    ``access_seconds``: how long tokens live whose client does not say.
    """
    said = [structure(ClientSettings, settings) for settings in list_client_settings(connection)]
    kept = overlap(max(access_seconds, *(each.access_seconds or 0 for each in said)) if said else access_seconds)
    return keys.rotate_key(connection, KIND, lambda _: jwt.generate("RS256").to_text(), overlap=kept, now=now)
