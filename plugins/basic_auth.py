"""Know callers by a user name and a password: those of an application's credential of the kind basic.

    - {name: basic-auth, settings: {realm: Shop, cache_seconds: 30}}

The password is stored by argon2id, as `twgw key password` prints it, and comparing it takes tens of milliseconds on
purpose, in threads of its own. With ``cache_seconds`` a right one is known again for so long without that work; what is
kept is a hash under a key of the process. A changed or removed credential is refused at once all the same.
"""

from attrs import frozen, validators

from twgw import hookimpl
from twgw.model import not_negative
from twgw.policy import Credential, Exchange, Gateway, Problem, setting
from twgw.policy.basic import MOST_KEPT, challenge, credentials, hide, invalid
from twgw.policy.bearer import REALM
from twgw.policy.interfaces import Unanswered

SCHEME = "Basic"


@frozen
class Settings:
    """How the password is asked for."""

    realm: str = setting(
        "Name of what is protected, shown to a client without a password.",
        default="twgw",
        validator=validators.matches_re(REALM),
    )
    hide_credentials: bool = setting(
        "Take name and password away before the request goes to the upstream.", default=True
    )
    cache_seconds: float = setting(
        "How long a right password is known again without being compared.",
        default=30,
        validator=[not_negative, validators.le(MOST_KEPT)],
    )

    @property
    def challenge(self) -> str:
        """What a client without a password is told to bring."""
        return challenge(self.realm)


@hookimpl
async def twgw_authenticate(exchange: Exchange, settings: Settings, gateway: Gateway) -> Credential | Problem | None:
    """Find out whose name and password these are."""
    given = credentials(exchange.request, SCHEME, settings.challenge)
    if given is None or isinstance(given, Problem):
        return given
    user, password = given
    found = gateway.credentials.find("basic", user) if user else None
    if not (found is None or isinstance(found, Credential)):
        found = await found
    stored = found.digest or "" if found is not None else ""
    try:
        right = await gateway.passwords.verify(stored, password, settings.cache_seconds)
    except (BlockingIOError, TimeoutError) as error:
        raise Unanswered("too many passwords wait to be compared") from error
    return found if right and found is not None else invalid(settings.challenge)


@hookimpl(tryfirst=True)
def twgw_transform(exchange: Exchange, settings: Settings) -> None:
    """Hide name and password from the upstream, before another policy may put some there that are meant for it."""
    if settings.hide_credentials:
        hide(exchange.request, SCHEME)
