"""Tests of twgw.web.permissions."""

from hypothesis import given
from hypothesis import strategies as st

from twgw.web.permissions import TABLE, Permission, Reach, Role, reach

some_roles = st.sets(st.sampled_from(Role))
permissions = st.sampled_from(Permission)


def test_every_role_has_its_line_and_the_admin_everything():
    """Nothing is granted by a name that is not in the table."""
    assert set(Role) == TABLE.keys()
    assert [] == [each for each in Permission if reach([Role.ADMIN], each) is not Reach.ALL]


def test_denied_by_default():
    """Whoever has no role may do only what is for anyone, and what is their own."""
    assert {Permission.ANYONE, Permission.SELF} == {each for each in Permission if reach([], each)}


def test_only_admins_change_users_tiers_and_global_policies():
    """What would make somebody an admin, or let everybody through, is for admins."""
    for permission in (Permission.USER_WRITE, Permission.TIER_WRITE, Permission.POLICY_WRITE):
        assert [Role.ADMIN] == [role for role in Role if reach([role], permission)]


def test_creators_and_subscribers_reach_their_own():
    """The view then asks for what belongs to the caller."""
    assert Reach.OWN is reach([Role.CREATOR], Permission.API_WRITE)
    assert Reach.OWN is reach([Role.SUBSCRIBER], Permission.APPLICATION_WRITE)
    assert None is reach([Role.CREATOR, Role.SUBSCRIBER], Permission.API_PUBLISH)


@given(some_roles, some_roles, permissions)
def test_more_roles_never_reach_less(some, more, permission):
    """Roles add up."""
    order = [None, Reach.OWN, Reach.ALL]
    alone = {order.index(reach([role], permission)) for role in some | more}

    assert max(alone, default=order.index(reach([], permission))) == order.index(reach(some | more, permission))
