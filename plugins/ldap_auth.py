"""Know callers by a user name and a password that an LDAP directory knows: a user store of the configuration.

    - name: ldap-auth
      settings: {required_groups: [api-users], application: staff}

Each call asks the directory. With ``cache_seconds`` a good password is known again for so long without asking: a change
in the directory, of a password or of groups, acts after at most that time. What is kept is a hash under a key of the
process. When the directory does not answer, the call is refused with 503, whatever else the API accepts.
"""

import hashlib
import secrets
from typing import Literal

from attrs import define, field, frozen, validators

from twgw import hookimpl
from twgw.model import not_negative
from twgw.policy import Credential, Exchange, Gateway, Problem, setting
from twgw.policy.basic import MOST_KEPT, challenge, credentials, hide, invalid
from twgw.policy.bearer import REALM
from twgw.policy.interfaces import DirectoryUser, Refusal, Unanswered

REMEMBERED = 10_000
"""Users that are known again at most; the oldest goes first."""


@define(eq=False)
class Memory:
    """Who proved a password, by a hash of it under a key of this process, and until when that counts."""

    known: dict[bytes, tuple[float, DirectoryUser]] = field(factory=dict)
    key: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)

    def name(self, user: str, password: str) -> bytes:
        """The hash by which a user with a password is known."""
        return hashlib.blake2b(f"{user}\0{password}".encode(), key=self.key).digest()

    def get(self, name: bytes, now: float) -> DirectoryUser | None:
        """The user, None when they have to be asked about."""
        until, user = self.known.get(name, (now, None))
        return user if now < until else None

    def put(self, name: bytes, until: float, user: DirectoryUser) -> None:
        """Know a user until then."""
        self.known.pop(name, None)
        while len(self.known) >= REMEMBERED:
            del self.known[next(iter(self.known))]
        self.known[name] = (until, user)


@frozen
class Settings:
    """Whom the directory is asked about, and for how long its answer counts."""

    store: str = setting("Name of the one user store that is asked. Empty: all of them, in their order.", default="")
    header_type: Literal["basic", "ldap"] = setting(
        "Scheme before name and password in the Authorization field; ldap is Kong's.", default="basic"
    )
    realm: str = setting(
        "Name of what is protected, shown to a client without a password.",
        default="twgw",
        validator=validators.matches_re(REALM),
    )
    required_groups: tuple[str, ...] = setting(
        "Groups of the directory, one of which a user must be in, also by way of another group. Empty: any user may "
        "call.",
        default=(),
    )
    application: str = setting(
        "Application in whose name the users call: its subscriptions and limits are theirs. Empty: none.", default=""
    )
    hide_credentials: bool = setting(
        "Take name and password away before the request goes to the upstream.", default=True
    )
    cache_seconds: float = setting(
        "How long a good password is known again without asking the directory.",
        default=0,
        validator=[not_negative, validators.le(MOST_KEPT)],
    )
    memory: Memory = field(init=False, repr=False, eq=False, factory=Memory)
    wanted: frozenset[str] = field(init=False, repr=False, eq=False)

    @wanted.default
    def _wanted(self) -> frozenset[str]:
        return frozenset(map(str.casefold, self.required_groups))

    @property
    def scheme(self) -> str:
        """The scheme as it is shown."""
        return "Basic" if self.header_type == "basic" else "LDAP"

    @property
    def challenge(self) -> str:
        """What a client without a password is told to bring."""
        return challenge(self.realm, self.scheme)


@hookimpl
async def twgw_authenticate(exchange: Exchange, settings: Settings, gateway: Gateway) -> Credential | Problem | None:
    """Ask the directory whose name and password these are."""
    given = credentials(exchange.request, settings.scheme, settings.challenge)
    if given is None or isinstance(given, Problem):
        return given
    found = await _user(settings, gateway, *given)
    if not isinstance(found, DirectoryUser):
        return invalid(settings.challenge)
    if settings.wanted and settings.wanted.isdisjoint(map(str.casefold, found.groups)):
        return Problem(403, "Group required", "the user is in none of the groups that may call", code=900908)
    return Credential(
        kind="ldap",
        id=f"{found.store}/{found.name}",
        application=settings.application,
        user=found.name,
        groups=found.consumer_groups,
    )


async def _user(settings: Settings, gateway: Gateway, user: str, password: str) -> DirectoryUser | Refusal:
    """The user, known again or asked about.  Raises Unanswered when the directory is not available."""
    memory, now = settings.memory, gateway.clock.now()
    name = memory.name(user, password) if settings.cache_seconds else b""
    known = memory.get(name, now) if name else None
    if known is not None:
        return known
    found = await gateway.directory.authenticate(user, password, settings.store)
    if found is Refusal.UNAVAILABLE:
        raise Unanswered("the user store does not answer")
    if name and isinstance(found, DirectoryUser):
        memory.put(name, now + settings.cache_seconds, found)
    return found


@hookimpl(tryfirst=True)
def twgw_transform(exchange: Exchange, settings: Settings) -> None:
    """Hide name and password from the upstream, before another policy may put some there that are meant for it."""
    if settings.hide_credentials:
        hide(exchange.request, settings.scheme)
