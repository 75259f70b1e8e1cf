"""What a start does on a file and on a database, and what it tells."""

import io
import sys

import attrs
import pytest
from twisted.internet.defer import execute

from twgw import startup
from twgw.config import load
from twgw.credentials import Pepper, PepperError, digest, load_pepper, new_pepper
from twgw.demo import find_key
from twgw.faults import InvalidFileError
from twgw.gateway.deployment import Deployment
from twgw.issuer import load_signing
from twgw.memory_world import EPOCH, FakeClock, MemoryLog
from twgw.metrics import Registry
from twgw.model import Lifecycle, Policy
from twgw.policy.registry import find_plugins
from twgw.startup import FromDatabase, FromFile, ensure_peppers, open_database
from twgw.storage.apis import find_api, live_apis, publish, save_revision, set_state
from twgw.storage.applications import delete_application, find_application
from twgw.storage.credentials import find_by_digest
from twgw.storage.errors import Unavailable
from twgw.storage.keys import keys_of, rotate_key
from twgw.storage.settings import find_policies
from twgw.storage.subscriptions import find_subscription
from twgw.storage.upgrade import schema_status
from twgw.testing import gateway as lent

ORIGIN = "http://127.0.0.1:8080"
OLD = """
policies: [{name: correlation-id}]
tiers: [{name: Gold, limits: [{amount: 5}]}]
apis:
  - {name: pets, version: '1', base_path: /pets, state: DEPRECATED, policies: [{name: mock-response}]}
applications:
  - name: shop
    tier: Gold
    subscriptions: [{api: 'pets:1', tier: Gold}]
    credentials:
      - {value: plain-key-1, groups: [gold]}
      - {kind: basic, user: alice, digest: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"}
"""


@pytest.fixture
def node(tmp_path):
    """Makes what stands behind a node, in one data directory."""
    made = []

    def node(**environment):
        (tmp_path / "data").mkdir(exist_ok=True)
        config = load(None, {"TWGW_NODE_DATA_DIR": str(tmp_path / "data"), **environment}, {})
        if config.state.file is not None:
            return FromFile(config, FakeClock(), execute)
        made.append(FromDatabase(config, FakeClock(), execute, MemoryLog(), Registry(), None))
        return made[-1]

    yield node
    for each in made:
        each.close()


def begun(backing):
    """The same after its start, and what it put in force."""
    backing.begin()
    swapped = []
    source = backing.make_source(
        lambda: dict(find_plugins()), lent(), lambda upstream: lambda exchange: None, swapped.append
    )
    source.load()
    return backing, swapped


# --- a file ---


def test_a_node_whose_database_was_moved_does_not_begin_another(node, tmp_path):
    """As it would serve the demo where its configuration is forgotten."""
    made = node()
    (tmp_path / "data" / "twgw.db.moved").touch()
    with pytest.raises(Unavailable, match=r"twgw\.db\.moved: what this node had was moved to another") as caught:
        made.begin()
    assert "by --config or TWGW_CONFIG" in caught.value.way
    assert ["twgw.db.moved"] == [path.name for path in (tmp_path / "data").iterdir()]

    (tmp_path / "data" / "twgw.db.moved").unlink()
    made.begin()


def test_a_file_is_served_under_the_pepper_of_the_node(node, tmp_path):
    """A key is known by its digest; the pepper is made at the first start."""
    (tmp_path / "apis.yaml").write_text(OLD)
    backing, (deployment,) = begun(node(TWGW_STATE_FILE=str(tmp_path / "apis.yaml")))

    assert isinstance(deployment, Deployment)
    assert (load_pepper(tmp_path / "data" / "pepper"),) == backing.peppers.known
    assert "shop" == backing.credentials.find("api-key", "plain-key-1").application
    assert [startup.NOT_KEPT] == backing.lines(ORIGIN)
    backing.close()


def test_a_configured_pepper_needs_no_file(node, tmp_path):
    """It is used where a file is the state."""
    pepper = new_pepper()
    (tmp_path / "apis.yaml").write_text("apis: []\n")
    backing, _ = begun(node(TWGW_STATE_FILE=str(tmp_path / "apis.yaml"), TWGW_NODE_PEPPER=pepper.text))

    assert (pepper,) == backing.peppers.known
    assert [] == list((tmp_path / "data").iterdir())


# --- a first start on a database ---


def test_a_first_start_makes_a_database_with_a_demo(node, tmp_path):
    """Its key opens the API, and the call is told."""
    backing, (deployment,) = begun(node())
    key = find_key(tmp_path / "data")

    assert schema_status(backing.database).is_current
    assert ["demo:1.0"] == list(deployment.compiled)
    said = f"Try it: curl -i -H 'X-API-Key: {key}' {ORIGIN}/demo/hello"
    assert [said, startup.SHORT_NOT_KEPT] == backing.lines(ORIGIN)
    assert [startup.SHORT_NOT_KEPT] == backing.lines("")
    secret = backing.config.node.data_dir / "admin.secret"
    admin = f"The first admin logs in with the secret in {secret}"
    assert ["made its tables", "filled with the demo", admin] == [
        line.removeprefix(f"{backing.database.name}: ") for _, line in backing.log.lines
    ]
    assert secret.read_text().startswith("tw_admin_")


def test_a_second_start_changes_nothing(node):
    """What somebody deleted does not come back."""
    backing, _ = begun(node())
    backing.database.call(delete_application, "demo", now=0.0, write=True)
    backing.database.call(set_state, "demo:1.0", Lifecycle.RETIRED, actor="ann", now=0.0, write=True)
    again, (deployment,) = begun(node())

    assert [] == list(deployment.compiled)
    assert [startup.SHORT_NOT_KEPT] == again.lines(ORIGIN)
    assert [] == again.log.lines


def test_the_file_of_an_earlier_version_is_taken_in(node, tmp_path):
    """All that stands in it; a later change of the file changes nothing any more."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "apis.yaml").write_text(OLD)
    backing, _ = begun(node())
    call = backing.database.call
    known = call(find_by_digest, "api-key", backing.peppers.digest("plain-key-1"))

    assert any(f"filled with {tmp_path}/data/apis.yaml" in line for _, line in backing.log.lines)
    assert [("pets:1", Lifecycle.DEPRECATED)] == [(api.id, api.state) for api in call(live_apis)]
    assert (Policy("correlation-id"),) == call(find_policies)[0]
    assert ("Gold", "Gold") == (
        call(find_application, "shop").tier, call(find_subscription, "shop", "pets:1").tier
    )  # fmt: skip
    assert (True, "shop", None) == (known.valid, known.entry.credential.application, known.entry.credential.value)
    assert ("gold",) == known.entry.credential.groups
    alice = call(find_by_digest, "basic", backing.peppers.digest("alice"))
    assert (True, "shop") == (alice.valid, alice.entry.credential.application)

    (tmp_path / "data" / "apis.yaml").write_text("apis: [\n")
    assert ["pets:1"] == list(begun(node())[1][0].compiled)


def test_a_wrong_file_of_an_earlier_version_ends_the_start(node, tmp_path):
    """With the line of the fault; mended, it is taken in."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "apis.yaml"
    file.write_text(OLD.replace("Gold, limits", "Silver, limits"))
    with pytest.raises(InvalidFileError, match="unknown tier Gold"):
        begun(node())
    file.write_text(OLD)

    assert ["pets:1"] == list(begun(node())[1][0].compiled)


def test_a_named_database_is_left_empty(node, tmp_path):
    """Nobody expects a demo there."""
    backing, (deployment,) = begun(node(TWGW_DATABASE_URL=f"sqlite:///{tmp_path}/mine.db"))

    assert {} == deployment.compiled
    assert find_key(tmp_path / "data") is None
    assert [startup.SHORT_NOT_KEPT] == backing.lines(ORIGIN)


@pytest.mark.parametrize("killed_at", ["upgrade", "ensure_peppers", "ensure_key", "_fill"])
def test_a_start_that_was_killed_is_gone_on_with(node, monkeypatch, killed_at):
    """Whatever it had done; the next start ends where the first would have."""
    real = getattr(startup, killed_at)

    def killed(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(startup, killed_at, killed)
    with pytest.raises(KeyboardInterrupt):
        begun(node())
    monkeypatch.undo()
    backing, (deployment,) = begun(node())

    assert ["demo:1.0"] == list(deployment.compiled)
    assert backing.lines(ORIGIN)[0].startswith("Try it: ")


def test_of_two_nodes_one_fills_the_database(node, monkeypatch):
    """The other one finds it filled, and says nothing."""
    first, second = node(), node()
    real = startup.ensure_key

    def meanwhile(data_dir):
        monkeypatch.undo()
        begun(second)
        return real(data_dir)

    monkeypatch.setattr(startup, "ensure_key", meanwhile)
    begun(first)

    assert [1, 0] == [sum("filled" in line for _, line in each.log.lines) for each in (second, first)]
    assert first.lines(ORIGIN)[0].startswith("Try it: ")


def test_the_demo_is_told_where_it_is_now(node):
    """Not while it has a host name, or cannot be called."""
    backing, _ = begun(node())
    api = backing.database.call(find_api, "demo:1.0").api
    for number, fields in ((2, {"base_path": "/"}), (3, {"hosts": ("a.test",)})):
        backing.database.call(save_revision, attrs.evolve(api, **fields), author="ann", now=0.0, write=True)
        backing.follower.reached(backing.database.call(publish, "demo:1.0", number, now=0.0, write=True))
        told = backing.lines(ORIGIN)
        assert (told[0].endswith(f" {ORIGIN}/hello"), len(told)) == ((True, 2) if number == 2 else (False, 1))


# --- peppers ---


def test_the_pepper_of_a_file_is_taken_into_the_database_once(node, tmp_path):
    """Keys that were made under it stay good; afterwards the file is not needed."""
    (tmp_path / "data").mkdir()
    pepper = load_pepper(tmp_path / "data" / "pepper")
    assert (pepper,) == begun(node())[0].peppers.known
    (tmp_path / "data" / "pepper").unlink()

    assert (pepper,) == begun(node())[0].peppers.known


def test_a_configured_pepper_is_taken_in_and_may_not_differ(node):
    """The one in the database counts, for all nodes; whoever names another is told."""
    pepper = new_pepper()
    assert (pepper,) == begun(node(TWGW_NODE_PEPPER=pepper.text))[0].peppers.known
    assert (pepper,) == begun(node())[0].peppers.known
    with pytest.raises(PepperError, match=r"^\[node\] pepper: the database has another one"):
        node(TWGW_NODE_PEPPER=new_pepper().text).begin()


def test_a_rotated_pepper_is_in_use_when_its_position_is_reached(node):
    """New keys are under the new one, and older keys are still known."""
    backing, _ = begun(node())
    old = backing.peppers.known[0]
    new = Pepper("v2", b"q" * 32)
    position = backing.database.call(rotate_key, "pepper", lambda _: new.text, overlap=60, now=EPOCH, write=True)

    assert backing.follower.reached(position).called
    assert (digest(new, "key"), digest(old, "key")) == backing.peppers.digests("key")
    assert 2 == len(backing.database.call(keys_of, "pepper", now=EPOCH))


def test_peppers_are_found_without_a_node(node, tmp_path):
    """By commands."""
    backing, _ = begun(node())
    database = open_database(backing.config)

    assert backing.peppers.known == ensure_peppers(database, backing.config, 0.0)
    database.close()


def test_a_node_can_sign_before_it_listens(node):
    """With one key, which the database keeps: the next start has the same."""
    backing = node()
    backing.begin()
    (row,) = backing.database.call(keys_of, "signing", now=EPOCH)
    again = node()
    again.begin()

    assert [each.id for each in backing.issuer.keys] == [each.id for each in again.issuer.keys]
    assert 1 == row.version == len(backing.issuer.keys)


def test_the_signing_key_of_a_file_is_taken_over(node, tmp_path):
    """So tokens that were signed when a file was the state stay good."""
    backing = node()
    (before,) = load_signing(tmp_path / "data" / "signing.pem")
    backing.begin()

    assert [before.material] == [row.material for row in backing.database.call(keys_of, "signing", now=EPOCH)]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_secret_of_the_first_admin_is_shown_to_whoever_sits_at_the_terminal(tmp_path, monkeypatch, terminal):
    """Where the output is a file or a journal, it would stay there."""
    (tmp_path / "admin.secret").write_text("tw_admin_x\n")
    output = io.StringIO()
    monkeypatch.setattr(output, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "__stdout__", output)
    startup.show(tmp_path / "admin.secret")

    assert ("The secret of the first admin, shown this once: tw_admin_x\n" if terminal else "") == output.getvalue()
