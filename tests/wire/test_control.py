"""Publisher and store on the control listener of a real node: people with logins of their own, and what they may."""

import base64
import http.client
import json
import ssl
from pathlib import Path

import pytest

from tests.wire.processes import PATIENCE, Node, Upstream, free_port
from tests.wire.test_tls import certificate

WEATHER = (Path(__file__).parent.parent.parent / "etc/examples/weather.openapi.yaml").read_text()
PASSWORD = "correct horse battery"
JSON = "application/json"


class Town:
    """A node on a database of its own, and people of every role."""

    def __init__(self, folder, start):
        self.control = free_port()
        control = {"listen": f"tcp:{self.control}:interface=127.0.0.1", "public_url": "https://gw.test"}
        self.node = Node(folder, start, None, control=control).ready()
        self.tokens = {"admin": (folder / "data" / "admin.secret").read_text().strip()}
        for name, role in (("carl", "creator"), ("pat", "publisher"), ("sue", "subscriber")):
            wish = {"name": name, "roles": [role], "password": PASSWORD}
            self.ask("admin", "POST", "/admin/v1/users", wish, status=201)
        for name, prefix in (("carl", "publisher"), ("pat", "publisher"), ("sue", "store")):
            login = self.ask(None, "POST", f"/{prefix}/v1/login", {"name": name, "password": PASSWORD}, status=201)
            self.tokens[name] = login["token"]

    def send(self, method, path, data, fields):
        """Status, fields and body of an answer of the listener that has the path."""
        port = self.node.admin if path.startswith("/admin") else self.control
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request(method, path, data, {"Host": "gw.test", **fields})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def ask(self, who, method, path, body=None, *, status=None, **fields):
        """What is answered to somebody; ``status`` is what it should be."""
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        fields |= {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        fields |= {} if body is None else {"Content-Type": JSON}
        found, headers, text = self.send(method, path, None if body is None else json.dumps(body), fields)
        assert headers["Twgw-Position"] is None
        assert status in (None, found), text
        self.tag = headers["ETag"]
        return json.loads(text) if text else None

    def call(self, path, **fields):
        """Status and body of a call of an API."""
        status, _, body = self.node.get(path, **fields)
        return status, body


@pytest.fixture
def town(tmp_path, start):
    """A node after its first start."""
    return Town(tmp_path, start)


@pytest.fixture
def weather(tmp_path):
    """An https server that plays the National Weather Service, by a certificate of an authority of ours."""
    authority = certificate(tmp_path, "ca")
    _, _, path = certificate(tmp_path, "localhost", authority, serial=2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = Upstream(lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrain", context)
    yield {"targets": [{"url": f"https://localhost:{server.port}"}], "tls": {"ca_file": str(tmp_path / "ca.pem")}}
    server.close()


def imported(town, weather):
    """A real API, made of its document by a creator; the place of it."""
    guards = [{"name": "key-auth"}, {"name": "subscription"}, {"name": "rate-limit"}]
    wish = {"text": WEATHER, "name": "weather", "version": "1", "upstream": weather, "policies": guards}
    made = town.ask("carl", "POST", "/publisher/v1/imports", wish, status=201)
    assert "CREATED" == made["made"]["api"]["state"]
    return "/publisher/v1/apis/weather:1"


def test_a_document_of_a_real_api_is_published_and_called(town, weather):
    """A creator imports and edits, a publisher publishes, a subscriber takes a key; each step holds when it returns."""
    place = imported(town, weather)
    town.ask("carl", "POST", f"{place}/moves", {"move": "publish"}, status=403)
    assert 404 == town.call("/weather/1/alerts")[0]
    town.ask("sue", "POST", "/store/v1/applications", {"name": "app", "subscribe": ["weather"]}, status=422)
    api = town.ask("carl", "GET", place, status=200)["api"]
    edited, tag = {**api, "title": "Weather", "tiers": ["Bronze"]}, town.tag
    town.ask("carl", "PUT", f"{place}?publish=true", edited, If_Match=tag, status=403)
    town.ask("carl", "PUT", place, edited, If_Match=tag, status=200)
    town.ask("carl", "PUT", place, edited, If_Match=tag, status=412)
    town.ask("pat", "POST", f"{place}/moves", {"move": "publish"}, status=200)
    assert 401 == town.call("/weather/1/alerts")[0]

    (offer,) = town.ask("sue", "GET", "/store/v1/catalog?q=weather", status=200)["items"]
    assert ("weather:1", "Weather", ["Bronze"]) == (offer["id"], offer["title"], offer["tiers"])
    town.ask("sue", "POST", "/store/v1/applications", {"name": "app", "subscribe": ["weather"]}, status=201)
    made = town.ask("sue", "POST", "/store/v1/applications/app/keys", {}, status=201)
    assert (200, b"rain") == town.call("/weather/1/alerts", **{"X-API-Key": made["key"]})

    moves = "/publisher/v1/applications/app/subscriptions/weather:1/moves"
    for move, status in (("pause", 403), ("resume", 200)):
        town.ask("pat", "POST", moves, {"move": move}, status=200)
        assert status == town.call("/weather/1/alerts", **{"X-API-Key": made["key"]})[0]
    town.ask("sue", "DELETE", f"/store/v1/keys/{made['id']}", status=204)
    assert 401 == town.call("/weather/1/alerts", **{"X-API-Key": made["key"]})[0]


def test_an_edit_and_the_way_back_are_in_force_when_they_return(town, weather):
    """Whoever publishes puts it in force at once."""
    place = imported(town, weather)
    town.ask("pat", "POST", f"{place}/moves", {"move": "publish"}, status=200)
    api = town.ask("pat", "GET", place, status=200)["api"]
    mock = [{"name": "mock-response", "settings": {"status": 200, "body": "sun"}}]
    town.ask("pat", "PUT", f"{place}?publish=true", {**api, "policies": mock}, If_Match=town.tag, status=200)
    assert (200, b"sun") == town.call("/weather/1/alerts")

    town.ask("pat", "POST", f"{place}/rollback", {"revision": 1}, status=200)
    assert 401 == town.call("/weather/1/alerts")[0]
    numbers = [each["number"] for each in town.ask("pat", "GET", f"{place}/revisions", status=200)["items"]]
    assert [3, 2, 1] == numbers


def test_a_client_of_an_application_gets_tokens(town, weather):
    """Made over REST, with the secret of that answer; not with an older one, nor when it was taken back."""
    town.ask("sue", "POST", "/store/v1/applications", {"name": "app"}, status=201)
    client = town.ask("sue", "POST", "/store/v1/applications/app/clients", {}, status=201)

    def token(secret):
        pair = base64.b64encode(f"{client['id']}:{secret}".encode()).decode()
        fields = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
        return town.send("POST", "/oauth2/token", "grant_type=client_credentials", fields)[0]

    assert 200 == token(client["secret"])
    new = town.ask("sue", "POST", f"/store/v1/clients/{client['id']}/secret", status=201)["secret"]
    assert (401, 200) == (token(client["secret"]), token(new))
    town.ask("sue", "DELETE", f"/store/v1/clients/{client['id']}", status=204)
    assert 401 == token(new)


def test_a_login_reaches_what_its_roles_allow(town):
    """On each listener the same; without one there is nothing but the documents."""
    town.ask("sue", "GET", "/publisher/v1/apis", status=403)
    town.ask("sue", "GET", "/admin/v1/users", status=403)
    town.ask("sue", "GET", "/admin/v1/applications", status=200)
    town.ask(None, "GET", "/store/v1/catalog", status=401)
    for prefix in ("publisher", "store"):
        assert f"/{prefix}/v1/login" in town.ask(None, "GET", f"/{prefix}/v1/openapi.json", status=200)["paths"]
    town.ask("carl", "POST", "/publisher/v1/logout", status=204)
    town.ask("carl", "GET", "/publisher/v1/apis", status=401)


def test_an_upstream_that_may_not_be_called_is_refused_when_it_is_saved(town):
    """By the settings of this node: an address of its cloud, its own listeners."""
    for url in ("http://169.254.169.254", f"http://127.0.0.1:{town.node.admin}"):
        api = {"name": "x", "version": "1", "base_path": "/x", "upstream": {"targets": [{"url": url}]}}
        told = town.ask("carl", "POST", "/publisher/v1/apis", {"api": api}, status=422)
        assert "api.upstream.targets[0].url" == told["faults"][0]["path"]
