"""The control plane over a real database, asked by Flask's test client; and a gateway that follows it."""

from twgw import control
from twgw.admin.service import PREFIX, VIEWS, ground
from twgw.allowed_upstreams import ANYWHERE
from twgw.cluster.overview import Row
from twgw.credentials import mint
from twgw.faults import Fault
from twgw.memory import MemoryGateway, digest
from twgw.memory_world import EPOCH as NOW
from twgw.model import Limit
from twgw.policy.interfaces import DirectoryUser, Refusal
from twgw.policy.registry import find_plugins
from twgw.registry import Session, User
from twgw.storage.sessions import add_session
from twgw.storage.users import create_user
from twgw.web import login
from twgw.web.application import create
from twgw.web.rate import Rate

PREFIXES = ("/admin/v1/", "/publisher/v1/", "/store/v1/")
GUARDED = [{"name": "key-auth"}, {"name": "subscription"}, {"name": "rate-limit"}]


class Log:
    """What was told."""

    def __init__(self):
        self.lines = []

    def warn(self, text, **fields):
        self.lines.append(text.format(**fields))

    error = warn


class Digests:
    """Those of a gateway in memory."""

    digest = staticmethod(digest)

    def digests(self, key):
        return (digest(key),)


class World:
    """Every interface of one node; what is asked for without a prefix is asked of the admin REST."""

    def __init__(self, database):
        self.database, self.log, self.now, self.faults, self.tokens = database, Log(), NOW, (), {}
        people = login.people_of(database, Rate(Limit(1000, 60), Limit(1000, 60)), self.directory)
        self.ground = ground(
            self.database, Digests(), people, self.log, lambda: self.now, check=self.check,
            status=self.status, nodes=self.nodes, plugins=lambda: find_plugins(()),
        )  # fmt: skip
        views = (*VIEWS, *control.views_of(("publisher", "store")))
        self.app = create(self.ground, views, titles={PREFIX: "twgw"})
        self.client = self.app.test_client()
        self.user("root", "admin")

    def check(self, _policies, api):
        """What a test says is wrong with an API, and what its upstreams are held to."""
        upstreams = dict.fromkeys(upstream for _, upstream in api.servers) if api else ()
        held = [Fault(f"upstream.{each.path}", each.text) for one in upstreams for each in ANYWHERE.faults(one)]
        return (*self.faults, *held)

    def directory(self, name, password):
        """A user store that knows one user."""
        zoe = DirectoryUser("corp", "zoe", "uid=zoe", roles=("operator",), consumer_groups=("gold",))
        return zoe if (name.lower(), password) == ("zoe", "right") else Refusal.UNKNOWN

    def status(self):
        return {"node": "n1", "ready": True, "position": 3, "apis": 0, "reasons": (), "warnings": ()}

    def nodes(self, head):
        """Two that are connected, of which n1 answers."""
        return [Row("gw2", ("gateway",), head - 1, 1, "held", gateways=1), Row("n1", ("admin", "keymanager"), head, 0)]

    def user(self, name, *roles, password_hash=None):
        """Somebody with these roles, who is logged in."""
        self.tokens[name] = mint("login")
        kept = digest(self.tokens[name])

        def enter(connection):
            create_user(connection, User(name, roles=roles, password_hash=password_hash), now=self.now)
            add_session(connection, Session(kept, name, self.now, self.now, self.now + 36000))

        self.database.call(enter, write=True)

    def ask(self, method, path, body=None, *, who="root", status=None, **fields):
        """The answer to somebody; ``status`` is what it should be."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if who:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        place = path if path.startswith(PREFIXES) else f"{PREFIX}{path}"
        answer = self.client.open(place, method=method, json=body, headers=headers)
        if status is not None:
            assert status == answer.status_code, answer.text
        return answer

    def get(self, path, **options):
        """What is there."""
        return self.ask("GET", path, status=200, **options).json

    def post(self, path, body=None, **options):
        """What was made."""
        return self.ask("POST", path, body, status=options.pop("status", 201), **options).json

    def move(self, api, move, **wish):
        """What a publisher's move makes of an API."""
        return self.post(f"/apis/{api}/moves", {"move": move, **wish}, status=200)

    def gateway(self):
        """A gateway that follows the same database."""
        return MemoryGateway(self.database)


def an_api(name="pets", **fields):
    """An API as it is sent."""
    return {"name": name, "version": "1.0", "base_path": f"/{name}",
            "upstream": {"targets": [{"url": "http://pets.example"}]}, **fields}  # fmt: skip
