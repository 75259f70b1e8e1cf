"""Who may do what in the control plane: roles and permissions, as one table.  Pure; what is not in it is denied.

Every view names a permission (``view.py``).  Where a role reaches only what is its own, the view puts the caller's name
into its query, so that nothing of others is ever read.
"""

from collections.abc import Iterable
from enum import Enum


class Role(Enum):
    """What a person is to the control plane.  Somebody may have several roles."""

    ADMIN = "admin"
    PUBLISHER = "publisher"
    CREATOR = "creator"
    SUBSCRIBER = "subscriber"
    OPERATOR = "operator"


class Permission(Enum):
    """What a view does."""

    ANYONE = "anyone"
    """Called without a login: the login itself, documents that say nothing of the installation."""
    SELF = "self"
    """Whatever concerns only the caller."""
    API_READ = "api:read"
    API_WRITE = "api:write"
    API_PUBLISH = "api:publish"
    APPLICATION_READ = "application:read"
    APPLICATION_WRITE = "application:write"
    SUBSCRIPTION_APPROVE = "subscription:approve"
    TIER_READ = "tier:read"
    TIER_WRITE = "tier:write"
    USER_READ = "user:read"
    USER_WRITE = "user:write"
    BLOCK_READ = "block:read"
    BLOCK_WRITE = "block:write"
    POLICY_READ = "policy:read"
    POLICY_WRITE = "policy:write"
    AUDIT_READ = "audit:read"
    NODE_READ = "node:read"
    NODE_WRITE = "node:write"
    PLUGIN_READ = "plugin:read"


class Reach(Enum):
    """How far a permission goes."""

    OWN = "own"
    ALL = "all"


_OWN, _ALL = Reach.OWN, Reach.ALL

TABLE: dict[Role, dict[Permission, Reach]] = {
    Role.ADMIN: dict.fromkeys(Permission, _ALL),
    Role.PUBLISHER: {
        Permission.API_READ: _ALL,
        Permission.API_WRITE: _ALL,
        Permission.API_PUBLISH: _ALL,
        Permission.SUBSCRIPTION_APPROVE: _ALL,
        Permission.TIER_READ: _ALL,
        Permission.PLUGIN_READ: _ALL,
    },
    Role.CREATOR: {
        Permission.API_READ: _ALL,
        Permission.API_WRITE: _OWN,
        Permission.TIER_READ: _ALL,
        Permission.PLUGIN_READ: _ALL,
    },
    Role.SUBSCRIBER: {
        Permission.APPLICATION_READ: _OWN,
        Permission.APPLICATION_WRITE: _OWN,
        Permission.TIER_READ: _ALL,
    },
    Role.OPERATOR: {
        Permission.API_READ: _ALL,
        Permission.APPLICATION_READ: _ALL,
        Permission.TIER_READ: _ALL,
        Permission.USER_READ: _ALL,
        Permission.BLOCK_READ: _ALL,
        Permission.BLOCK_WRITE: _ALL,
        Permission.POLICY_READ: _ALL,
        Permission.AUDIT_READ: _ALL,
        Permission.NODE_READ: _ALL,
        Permission.PLUGIN_READ: _ALL,
    },
}
"""What each role may, and how far; a permission that is not here is denied."""


def reach(roles: Iterable[Role], permission: Permission) -> Reach | None:
    """How far somebody with these roles may do this; None when not at all.  Whoever is known may do what is SELF."""
    if permission in (Permission.ANYONE, Permission.SELF):
        return Reach.ALL
    found = {TABLE.get(role, {}).get(permission) for role in roles}
    return Reach.ALL if Reach.ALL in found else Reach.OWN if Reach.OWN in found else None
