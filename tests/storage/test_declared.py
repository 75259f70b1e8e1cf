"""Tests of twgw.storage.declared."""

import attrs
import pytest

from tests.storage.conftest import NOW
from twgw.model import (
    Api,
    Application,
    Credential,
    Environment,
    Lifecycle,
    Limit,
    Policy,
    Route,
    State,
    Subscription,
    SubscriptionState,
    Target,
    Tier,
    Upstream,
)
from twgw.storage import log
from twgw.storage.apis import live_apis, save_revision
from twgw.storage.credentials import credentials_of, find_by_digest, revoke_credential
from twgw.storage.declared import last_sync, plan, read_state, sync
from twgw.storage.errors import Conflict


def digests(value):
    """Those under a new pepper and the one before."""
    return (f"v2:{value * 8:0<64}", f"v1:{value * 8:0<64}")


def password(user="alice", digest="$argon2id$one", **fields):
    return Credential("basic", user, "shop", digest=digest, user=user, **fields)


def key(application, value, **fields):
    return Credential(id=f"id-{value}", application=application, value=value, **fields)


def an_api(name, **fields):
    return Api(name, "1.0", f"/{name}", upstream=Upstream((Target("http://a.example"),)), **fields)


STATE = State(
    policies=(Policy("cors", {"origins": ["*"]}),),
    tiers=(Tier("gold", (Limit(5),)), Tier("iron")),
    apis=(
        an_api("pets", state=Lifecycle.DEPRECATED, routes=(Route("/a", policies=(Policy("key-auth"),)),)),
        an_api("toys"),
    ),
    applications=(
        Application(
            "batch",
            (Subscription("pets:1.0", "gold"), Subscription("toys:1.0", state=SubscriptionState.PAUSED)),
            (key("batch", "a", scopes=("x", "y"), expires_at=NOW), key("batch", "b", environment=Environment.SANDBOX)),
            tier="iron",
        ),
        Application("shop", (), (key("shop", "c"),)),
    ),
)


def stored(state, version="v2"):
    """A state as it comes out: with digests."""

    def one(credential):
        if credential.value is None:
            return credential
        digest = next(digest for digest in digests(credential.value) if digest.startswith(version))
        return attrs.evolve(credential, value=None, digest=digest)

    return attrs.evolve(
        state,
        applications=tuple(
            attrs.evolve(each, credentials=tuple(map(one, each.credentials))) for each in state.applications
        ),
    )


def changed(index=0, **fields):
    """The state, with one application changed."""
    applications = list(STATE.applications)
    applications[index] = attrs.evolve(applications[index], **fields)
    return attrs.evolve(STATE, applications=tuple(applications))


CALLERS = changed(1, credentials=(key("shop", "c", groups=("gold", "club"), user="bob", owner="eve"), password()))
"""The state, with callers who are more than their key, and with a password."""


@pytest.fixture
def put(write):
    """Sync a state."""

    def put(state, **options):
        return write(sync, state, digests, actor="ann", **options)

    return put


def said(found):
    return [str(each) for each in found.differences]


def tags(read, after=0):
    return [record.tag for record in read(log.since, after)]


@pytest.mark.parametrize("state", [STATE, CALLERS])
def test_what_was_put_in_comes_out(put, read, state):
    """Everything but the keys themselves, and a second time there is nothing to do."""
    put(state)

    assert stored(state) == read(read_state)
    assert [] == said(read(plan, state, digests))
    assert [] == said(read(plan, read(read_state), digests))
    assert list(STATE.apis) == read(live_apis)
    assert {"tag": "", "actor": "ann", "at": NOW} == read(last_sync)


def test_an_empty_database_is_an_empty_state(read):
    """Nothing comes out of nothing."""
    assert State() == read(read_state)
    assert None is read(last_sync)


def test_a_plan_changes_nothing(read):
    """It says what would be done, from what is called to who calls."""
    assert [
        "+ tier gold", "+ tier iron", "+ api pets:1.0", "+ api toys:1.0", "+ application batch", "+ application shop",
        "+ subscription batch to pets:1.0", "+ subscription batch to toys:1.0",
        "+ credential id-a", "+ credential id-b", "+ credential id-c", "~ policies",
    ] == said(read(plan, STATE, digests))  # fmt: skip
    assert State() == read(read_state)


def test_what_is_new_is_a_record_only_where_it_is_served(put, read):
    """New callers take nothing from anybody."""
    assert 5 == put(STATE).position

    assert ["tier:gold", "tier:iron", "api:pets:1.0", "api:toys:1.0", "policies"] == tags(read)


@pytest.mark.parametrize(
    ("state", "step", "tag"),
    [
        (attrs.evolve(STATE, policies=()), "~ policies", "policies"),
        (attrs.evolve(STATE, tiers=(Tier("gold"), Tier("iron"))), "~ tier gold", "tier:gold"),
        (attrs.evolve(STATE, apis=(STATE.apis[0], an_api("toys", anonymous=True))), "~ api toys:1.0", "api:toys:1.0"),
        (attrs.evolve(STATE, apis=(STATE.apis[0], an_api("toys", state=Lifecycle.BLOCKED))), "~ api toys:1.0",
         "api:toys:1.0"),
        (changed(tier=None), "~ application batch", "app:batch"),
        (changed(subscriptions=(Subscription("pets:1.0", "iron"), STATE.applications[0].subscriptions[1])),
         "~ subscription batch to pets:1.0", "sub:batch/pets:1.0"),
        (changed(subscriptions=STATE.applications[0].subscriptions[:1]), "- subscription batch to toys:1.0",
         "sub:batch/toys:1.0"),
        (changed(1, credentials=(key("shop", "c", scopes=("z",)),)), "~ credential id-c",
         log.token_tag(digests("c")[0])),
        (changed(1, credentials=()), "- credential id-c", log.token_tag(digests("c")[0])),
        (attrs.evolve(STATE, applications=STATE.applications[:1]), "- application shop", "app:shop"),
    ],
)  # fmt: skip
def test_a_change_is_made_and_is_a_record(put, read, state, step, tag):
    """Each kind of change is named, comes out as it was put in, and reaches the gateways."""
    before = put(STATE).position

    found = put(state)

    assert step in said(found)
    assert tag in tags(read, before)
    assert stored(state) == read(read_state)
    assert found.position == read(log.head).pos


@pytest.mark.parametrize(
    ("credentials", "step", "name"),
    [
        ((key("shop", "c"), password()), "~ credential id-c", "c"),
        ((password(digest="$argon2id$two"),), "~ credential alice", "alice"),
        ((password(groups=("gold",)),), "~ credential alice", "alice"),
        ((attrs.evolve(password("bob"), id="alice"),), "~ credential alice", "bob"),
        ((attrs.evolve(password("bob"), id="alice"),), "~ credential alice", "alice"),
        (CALLERS.applications[1].credentials[:1], "- credential alice", "alice"),
    ],
)  # fmt: skip
def test_a_changed_caller_is_a_record(put, read, credentials, step, name):
    """Named by what it is looked up by: the key, or the name before the password."""
    before, state = put(CALLERS).position, changed(1, credentials=credentials)

    assert step in said(put(state))
    assert log.token_tag(digests(name)[0]) in tags(read, before)
    assert stored(state) == read(read_state)


def test_everything_can_be_taken_away(put, read):
    """An empty state leaves nothing, and each thing that goes is a record."""
    before = put(STATE).position

    put(State())

    assert State() == read(read_state)
    assert {
        *(log.token_tag(digests(value)[0]) for value in "abc"), "sub:batch/pets:1.0", "sub:batch/toys:1.0",
        "app:batch", "app:shop", "api:pets:1.0", "api:toys:1.0", "tier:gold", "tier:iron", "policies",
    } == set(tags(read, before))  # fmt: skip


def test_a_key_may_go_to_another_application(put, read):
    """The same key, taken from one and given to another in one step."""
    put(STATE)
    other = attrs.evolve(STATE.applications[1], credentials=(key("shop", "c"), key("shop", "b")))
    first = attrs.evolve(STATE.applications[0], credentials=STATE.applications[0].credentials[:1])

    put(attrs.evolve(STATE, applications=(first, other)))

    assert "shop" == read(find_by_digest, "api-key", digests("b")[0]).entry.credential.application


def test_another_key_under_the_same_id_is_issued_anew(put, read, write):
    """The old key is forgotten by its tag, and the new one counts as issued now."""
    position = put(STATE).position
    other = attrs.evolve(key("shop", "d"), id="id-c")

    found = put(changed(1, credentials=(other,)))

    assert ("another key",) == found.differences[0].details
    assert None is read(find_by_digest, "api-key", digests("c")[0]).entry
    assert position == read(find_by_digest, "api-key", digests("d")[0]).entry.issued_pos
    assert {log.token_tag(digests(value)[0]) for value in "cd"} == set(tags(read, position))


def test_a_password_is_found_by_the_name_before_it(put, read, write):
    """With what the caller is; by nothing of the password.  Revoked, it does not come back by an old file."""
    state = changed(1, credentials=(password(groups=("gold",), scopes=("x",)),))
    put(state)

    known = read(find_by_digest, "basic", digests("alice")[0])
    assert known.valid
    found = known.entry.credential
    assert ("$argon2id$one", "alice", ("gold",), "shop") == (found.digest, found.user, found.groups, found.application)
    assert None is read(find_by_digest, "basic", "$argon2id$one").entry

    before = read(log.head).pos
    write(revoke_credential, "basic", "alice")
    assert [log.token_tag(digests("alice")[0])] == tags(read, before)
    assert not read(find_by_digest, "basic", digests("alice")[0]).valid
    with pytest.raises(Conflict, match="credential alice of shop was revoked"):
        put(state)


def test_a_new_pepper_changes_no_key(put, read):
    """A key that is stored under the pepper before is the same key."""
    put(stored(STATE, "v1"))

    assert [] == said(read(plan, STATE, digests))


def test_an_old_file_brings_no_revoked_key_back(put, read, write):
    """Whoever still has it in a state is told to take it out; and nothing is done."""
    put(STATE)
    write(revoke_credential, "api-key", "id-c")
    position = read(log.head).pos

    for state in (STATE, changed(1, credentials=(attrs.evolve(key("shop", "d"), id="id-c"),))):
        with pytest.raises(Conflict, match="credential id-c of shop was revoked; take it out of the state"):
            put(state)
    assert position == read(log.head).pos

    assert [] == said(put(changed(1, credentials=())))
    assert 1 == len(read(credentials_of, "shop"))


def test_a_draft_is_not_what_is_compared(put, read, write):
    """What is served counts, not what somebody saved and did not publish."""
    put(STATE)
    write(save_revision, an_api("toys", anonymous=True), author="bob")

    assert [] == said(read(plan, STATE, digests))


def test_a_sync_that_was_looked_at_is_what_is_done(put, read):
    """With the position of the plan, a change by somebody else stops it."""
    seen = read(plan, STATE, digests).position
    put(State(policies=()))

    with pytest.raises(Conflict, match="at position 1, not 0: look at the difference again") as caught:
        put(STATE, position=seen)

    assert caught.value.changed
    assert () == read(read_state).apis


def test_progress_is_told_to_its_end(put):
    """How many of how many steps are done."""
    told = []

    put(STATE, progress=lambda done, whole: told.append((done, whole)))

    assert told == sorted(told)
    assert (12, 12) == told[-1]


# --- tags ---

TEAM = State(
    tiers=(Tier("team"),),
    apis=(an_api("team"),),
    applications=(Application("team", (Subscription("team:1.0", "team"),), (key("team", "t"),)),),
)


def test_a_tag_is_a_part(put, read):
    """It comes out by itself, and goes without touching the rest."""
    put(STATE)
    put(TEAM, tag="team")

    assert stored(TEAM) == read(read_state, "team")
    assert {"pets:1.0", "team:1.0", "toys:1.0"} == {api.id for api in read(read_state).apis}
    assert [] == said(read(plan, TEAM, digests, "team"))

    put(State(), tag="team")

    assert stored(STATE) == read(read_state)
    assert State() == read(read_state, "team")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State(tiers=(Tier("gold"),)), "tier gold belongs to no tag, not to team"),
        (State(apis=(an_api("pets"),)), r"api pets:1\.0 belongs to no tag, not to team"),
        (State(applications=(Application("shop"),)), "application shop belongs to no tag, not to team"),
        (State(policies=()), "the global policies belong to no tag"),
    ],
)
def test_a_tag_takes_nothing_of_others(put, read, state, said):
    """What is there already and is not of the tag is in the way."""
    put(STATE)

    with pytest.raises(Conflict, match=said):
        put(state, tag="team")

    assert stored(STATE) == read(read_state)


def test_a_tag_cannot_remove_what_others_need(put, read):
    """Neither an API that another's application is subscribed to, nor a tier that one has."""
    put(TEAM, tag="team")
    mine = State(
        tiers=(Tier("mine"),), apis=(an_api("mine"),),
        applications=(Application("mine", (Subscription("mine:1.0", "mine"),), tier="mine"),),
    )  # fmt: skip
    put(mine, tag="mine")
    both = attrs.evolve(
        read(read_state), applications=(*TEAM.applications, Application("other", (Subscription("mine:1.0", "mine"),)))
    )
    put(both)

    with pytest.raises(Conflict, match=r"API mine:1\.0 is not in the state, but a subscription that is not part of it"):
        put(attrs.evolve(mine, apis=(), applications=()), tag="mine")
    with pytest.raises(Conflict, match="tier mine is not in the state, but a subscription that is not part of it"):
        put(attrs.evolve(mine, tiers=(), applications=()), tag="mine")
