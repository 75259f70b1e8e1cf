"""Tests of twgw.keymanager.service."""

import pytest
from attrs import evolve

from tests.keymanager.conftest import ISSUER, NOW, PEPPER, SECRET, Clock, fill
from twgw import jwt
from twgw.credentials import Peppers
from twgw.issuer import Issuer
from twgw.keymanager.jwks import ANNOUNCED_SECONDS
from twgw.keymanager.service import KIND, PIECE, Service, rotate
from twgw.keymanager.settings import KeyManagerSettings
from twgw.model import Limit
from twgw.registry import Session, Token
from twgw.storage import keys, log, sessions, tokens
from twgw.storage.clients import update_client
from twgw.storage.errors import Unavailable
from twgw.web.application import Ground, create
from twgw.web.login import people_of
from twgw.web.rate import Rate

DAY = 86400


@pytest.fixture
def service(sqlite):
    """A key manager with one key, on a database that has clients."""
    fill(sqlite)
    clock = Clock()
    rows = sqlite.call(keys.ensure_key, KIND, lambda: jwt.generate("ES256").to_text(), now=NOW, write=True)
    issuer = Issuer(ISSUER, clock)
    issuer.use(rows)
    people = people_of(sqlite, Rate(Limit(1000, 60), Limit(1000, 60)))
    return Service(KeyManagerSettings(), sqlite, issuer, Peppers((PEPPER,)), clock, lambda *_, **__: None, people)


def run(service):
    """One round of housekeeping, with what it awaits done at once."""
    round_of = service.keep_house()
    with pytest.raises(StopIteration):
        round_of.send(None)


def signing(service):
    return service.database.call(keys.keys_of, KIND, now=service.wall())


def test_it_answers(service):
    """Its blueprints are all that an application needs."""
    ground = Ground(service.database, None, lambda *_: None, service.wall, None)
    app = create(ground, (), service.blueprints())
    form = {"grant_type": "client_credentials", "client_id": "jwt", "client_secret": SECRET}
    with app.test_client() as http:
        answer = http.post("/oauth2/token", data=form, base_url=ISSUER)
        document = http.get("/.well-known/oauth-authorization-server", base_url=ISSUER).json

    expected = jwt.Expected(ISSUER, (ISSUER,), ("at+jwt",))
    claims = jwt.verify(answer.json["access_token"], service.issuer.keys, expected, NOW)
    assert (NOW + 3600, ISSUER) == (claims["exp"], document["issuer"])


def test_what_has_ended_is_let_go_of(service):
    """In small pieces, until nothing is left of what ended a day ago."""

    def begin(connection):
        for number in range(PIECE + 10):
            token = Token("access", f"v1:{number:064x}", "shop", NOW + (1 if number else 2 * DAY))
            tokens.add_token(connection, token, now=NOW)
        sessions.add_session(connection, Session("d", "ann", NOW, NOW, NOW + 1))

    service.database.call(begin, write=True)
    service.wall.now += DAY + 5

    run(service)

    assert 1 == len(service.database.call(tokens.tokens_of, "shop"))
    assert service.database.call(sessions.find_session, "d", idle=99, now=NOW) is None


def test_a_new_key_is_made_in_time(service):
    """When the newest is ninety days old; the old one stays while a token of its may live."""
    service.wall.now += 90 * DAY - 1
    run(service)
    assert [1] == [row.version for row in signing(service)]

    service.wall.now += 1
    run(service)
    run(service)
    new, old = signing(service)
    assert (2, 1) == (new.version, old.version)
    assert service.wall.now + ANNOUNCED_SECONDS + 3600 + 60 == old.retire_at
    assert "key" == service.database.call(log.since, 0)[-1].kind

    service.wall.now = old.retire_at
    run(service)
    assert [2] == [row.version for row in signing(service)]


def test_keys_stay_as_long_as_the_longest_token(service):
    """Of any client."""
    settings = {"token_format": "jwt", "access_seconds": 7 * DAY}
    service.database.call(update_client, "jwt", settings=settings, now=NOW, write=True)

    service.database.call(rotate, service.settings.access_seconds, now=NOW, write=True)

    assert NOW + ANNOUNCED_SECONDS + 7 * DAY + 60 == signing(service)[1].retire_at


def test_keys_may_be_changed_only_when_that_is_said(service):
    """With rotate_days = 0."""
    service.settings = evolve(service.settings, rotate_days=0)
    service.wall.now += 3650 * DAY

    run(service)

    assert [1] == [row.version for row in signing(service)]


def test_a_round_that_fails_is_told(service):
    """And ends nothing: another one comes."""
    told, failures = [], [Unavailable("the database is away"), ValueError("odd")]
    service.warn = lambda text, **fields: told.append(text.format(**fields))

    class Away:
        async def run(self, *_, **__):
            raise failures.pop(0)

    service.database = Away()
    for _ in range(2):
        with pytest.raises(StopIteration):
            service.one_round().send(None)

    assert ["the database is away", "what has ended could not be let go of: ValueError('odd')"] == told
