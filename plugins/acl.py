"""Let callers in by their consumer groups, which a directory or a credential gives them.

    - {name: acl, settings: {allow: [gold, staff]}}

Who is in a group of ``deny`` is refused, also when another group of theirs is allowed.
"""

from attrs import field, frozen

from twgw import hookimpl
from twgw.faults import Fault, SettingsError
from twgw.gateway.problems import unauthorized
from twgw.policy import Exchange, Problem, setting


@frozen
class Settings:
    """Which groups may call."""

    allow: tuple[str, ...] = setting("Groups that may call, and no others. Empty: all.", default=())
    deny: tuple[str, ...] = setting("Groups that may not call.", default=())
    allowed: frozenset[str] = field(init=False, repr=False, eq=False)
    denied: frozenset[str] = field(init=False, repr=False, eq=False)

    @allowed.default
    def _allowed(self) -> frozenset[str]:
        return frozenset(self.allow)

    @denied.default
    def _denied(self) -> frozenset[str]:
        return frozenset(self.deny)

    def __attrs_post_init__(self) -> None:
        if not (self.allow or self.deny):
            raise SettingsError([Fault("", "give groups in allow or in deny")])


@hookimpl
def twgw_authorize(exchange: Exchange, settings: Settings) -> Problem | None:
    """Refuse who is in no group that may call, or in one that may not."""
    credential = exchange.credential
    if credential is None:
        return unauthorized(exchange.plan.chains.challenges)
    groups = credential.groups
    if settings.denied.isdisjoint(groups) and not (settings.allowed and settings.allowed.isdisjoint(groups)):
        return None
    return Problem(403, "Group not allowed", "none of the caller's groups may call this", code=900908)
