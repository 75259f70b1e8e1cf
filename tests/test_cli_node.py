"""Tests of twgw.cli_node: which node is asked, as whom, and how it is said that it says no."""

import http.server
import socket
import threading
from pathlib import Path

import pytest

from tests.wire.processes import free_port
from twgw import cli_node
from twgw.cli_node import checked_url
from twgw.logins import Login, keep_login


@pytest.fixture
def answer():
    """A server that gives one answer to everything, and notes what it was asked."""
    servers = []

    def serve(status, text, *, wait=None, **fields):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.headers.get("Authorization"))
                assert wait is None or wait.wait(30)
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET  # noqa: N815 - as above

            def log_message(self, *_):
                """Nothing is logged."""

        asked = []
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", asked

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_is_waited_for_is_said(desk, answer, monkeypatch):
    """A change may take until what a node that was killed holds has ended; nobody is left to guess."""
    said = threading.Event()
    monkeypatch.setattr(cli_node, "SLOW", 0)
    monkeypatch.setattr(cli_node, "_say_waiting", said.set)
    url, _ = answer(403, '{"title": "Forbidden"}', wait=said)

    assert "Forbidden" in desk.refused("revoke", "AbCdEfGh", TWGW_URL=url, TWGW_TOKEN="t")
    assert said.is_set()


# --- which node ---


def test_a_node_that_is_not_there_is_named_with_the_way_to_start_it(desk):
    """The address, the reason, the command."""
    port = free_port()
    said = desk.refused("api", "list", TWGW_URL=f"http://127.0.0.1:{port}")

    assert f"no node answers at http://127.0.0.1:{port}: Connection refused" in said
    assert "Start one: twistd -n --pidfile= twgw --config FILE" in said


def test_without_an_address_it_is_the_node_of_the_configuration(desk):
    """As its file or the environment says; every interface is asked on the loopback one."""
    port = free_port()
    Path("twgw.toml").write_text(f'[admin]\nlisten = "tcp:{port}:interface=0.0.0.0"\n')

    assert f"http://127.0.0.1:{port}" in desk.refused("api", "list", "--config", "twgw.toml", TWGW_URL="")
    environment = {"TWGW_URL": "", "TWGW_ADMIN_LISTEN": f"tcp:{port}:interface=[\\:\\:1]"}
    assert f"http://[::1]:{port}" in desk.refused("api", "list", **environment)


def test_a_node_whose_state_is_a_file_is_not_asked(desk):
    """The file is named."""
    Path("twgw.toml").write_text('[state]\nfile = "apis.yaml"\n')
    said = desk.refused("api", "list", "--config", "twgw.toml", TWGW_URL="")

    assert "apis.yaml is the state of this node ([state] file): change that file" in said


def test_a_node_without_an_admin_listener_is_not_asked(desk):
    """The setting is named."""
    assert "[admin] listen is empty" in desk.refused("api", "list", TWGW_URL="", TWGW_ADMIN_LISTEN="")


def test_a_wrong_configuration_is_said(desk):
    """As every command says it."""
    said = desk.refused("api", "list", "--config", "none.toml", TWGW_URL="")

    assert "none.toml: cannot be read" in said


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("127.0.0.1:8081", "write http://HOST:PORT"), ("ftp://x", "write http://"), ("http://", "write http://"),
        ("http://ann:secret@localhost", "write http://"), ("http://localhost/?x", "write http://"),
        ("http://localhost:x", "--url http://localhost:x"), ("http://[::1", "--url http://[::1"),
        ("http://admin.example:8081", "ssh -L 8081:127.0.0.1:8081 admin.example"),
        ("http://10.0.0.1", "as plain text"), ("http://localhost.example", "as plain text"),
    ],
)  # fmt: skip
def test_an_address_has_a_form_and_keeps_the_token(desk, url, text):
    """Plain HTTP is for this machine; anything else is wrong use."""
    done = desk.run("api", "list", "--url", url)

    assert 2 == done.exit_code
    assert text in done.output


@pytest.mark.parametrize("url", ["http://localhost:8081", "http://127.9.9.9/", "http://[::1]:1", "https://x.example/a/"])
def test_an_address_that_is_safe_is_taken(url):
    """Without the slash at its end."""
    assert url.rstrip("/") == checked_url(url)


@pytest.mark.parametrize(
    ("status", "text"), [(404, "<html>"), (200, "hello"), (502, ""), (404, "{}"), (302, '{"a": 1}')]
)
def test_what_is_no_node_is_said(desk, answer, status, text):
    """Another program, or a node without a database; a redirect is not followed."""
    url, _ = answer(status, text, Location="http://127.0.0.1:9")
    said = desk.refused("api", "list", "--url", url)

    assert f"{url} has no admin API of twgw: HTTP {status}" in said
    assert "whose state is in a database" in said


def test_what_speaks_no_http_is_said(desk):
    """The first line is enough to know."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=serve, daemon=True).start()
        said = desk.refused("api", "list", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")

    assert "it does not speak HTTP (BadStatusLine)" in said


def test_no_tls_where_tls_is_meant(desk, answer):
    """The way to name a certificate of one's own is said."""
    url, _ = answer(200, "{}")
    said = desk.refused("api", "list", "--url", url.replace("http", "https"))

    assert "no TLS connection" in said
    assert "SSL_CERT_FILE" in said


# --- as whom ---


def test_who_is_not_logged_in_is_told_how(desk):
    """Nothing is shown to the node."""
    said = desk.refused("api", "list", who=None)

    assert f"{desk.url}: nobody is logged in\nLog in: twgw login (or set TWGW_TOKEN)" in said


def test_a_token_that_is_not_good_is_said_with_its_source(desk):
    """The token is not repeated."""
    said = desk.refused("api", "list", TWGW_TOKEN="tw_login_canary")

    assert "the token in TWGW_TOKEN is not good there" in said
    assert "canary" not in said
    assert "is no token" in desk.refused("api", "list", TWGW_TOKEN="a\nb")


def test_the_login_that_was_kept_for_a_node_is_shown_to_it_alone(desk, answer):
    """Another address is not shown it."""
    keep_login(desk.folder / "config" / "twgw", desk.url, Login("root", desk.world.tokens["root"], 4e9))
    url, asked = answer(200, '{"items": [], "next": null}')

    assert [] == desk.found("api", "list", who=None)
    desk.done("api", "list", "--url", url, who=None)
    assert [None] == asked


def test_a_login_that_has_ended_is_said(desk, answer):
    """And is not shown any more, nor is another secret in its place."""
    url, asked = answer(401, '{"title": "Login needed"}', Content_Type="application/problem+json")
    keep_login(desk.folder / "config" / "twgw", url, Login("ann", "tw_login_canary", 1.0))

    assert "the login of ann has ended\nLog in: twgw login" in desk.refused("api", "list", "--url", url, who=None)
    assert [None] == asked


def test_logins_that_others_may_read_are_not_used(desk):
    """What to do is said."""
    keep_login(desk.folder / "config" / "twgw", desk.url, Login("ann", "t", 4e9)).chmod(0o644)

    assert "run: chmod 600" in desk.refused("api", "list", who=None)


@pytest.fixture
def configured(desk):
    """The node as that of the configuration, with a data directory; runs `twgw api list`."""
    Path("twgw-data").mkdir()
    listen = f"tcp:{desk.url.rpartition(':')[2]}"
    return lambda *words: desk.run("api", "list", *words, who=None, TWGW_URL="", TWGW_ADMIN_LISTEN=listen)


def test_whoever_reads_the_secret_of_the_first_admin_is_the_first_admin(desk, configured):
    """At the node of the configuration; an address that was named is shown nothing."""
    Path("twgw-data/admin.secret").write_text(f"{desk.world.tokens['root']}\n")

    assert 0 == configured().exit_code
    assert "nobody is logged in" in configured("--url", desk.url).output


def test_a_secret_that_is_not_good_is_said(configured):
    """With its file."""
    assert "nobody is logged in" in configured().output
    Path("twgw-data/admin.secret").write_text("tw_admin_canary\n")
    assert "the secret in twgw-data/admin.secret is not good there" in configured().output
    Path("twgw-data/admin.secret").write_bytes(b"\xff")
    assert "twgw-data/admin.secret cannot be used: is no secret" in configured().output
    Path("twgw-data/admin.secret").unlink()
    Path("twgw-data/admin.secret").mkdir()
    assert "twgw-data/admin.secret cannot be used: Is a directory" in configured().output


# --- what it says ---


def test_faults_are_said_a_line_each(desk):
    """With the place of each."""
    said = desk.refused("api", "add", "no-slash", "gopher://x")

    assert "api.base_path: " in said
    assert "api.upstream.targets[0].url: " in said


def test_who_may_not_is_told_where_to_look(desk):
    """The permission is named."""
    desk.world.user("sue", "subscriber")
    said = desk.refused("api", "add", "/x", "echo:", who="sue")

    assert "Not permitted: it needs the permission api:write\n" in said
    assert "twgw whoami" in said


def test_when_to_try_again_is_said(desk, answer):
    """As the node says it."""
    url, _ = answer(503, '{"title": "Not yet in force", "detail": "ask again"}', Retry_After="1")
    said = desk.refused("api", "list", "--url", url)

    assert "Not yet in force: ask again\nTry again in 1 s" in said


def test_what_is_kept_and_not_in_force_is_said_beside_the_answer(desk, answer):
    """Programs read the answer alone."""
    url, _ = answer(202, '{"id": "k", "application": "me"}')
    done = desk.run("revoke", "k", "--url", url)

    assert 0 == done.exit_code
    assert "this node does not serve it yet" in done.stderr
    assert "serve" not in done.stdout


def test_a_list_has_all_its_pages(desk):
    """However many there are."""
    for number in range(101):
        desk.world.post("/applications", {"name": f"app-{number}"})

    assert 101 == len(desk.found("app", "list"))


def test_what_is_deleted_at_a_terminal_is_asked_for(desk, monkeypatch):
    """Unless it was said that it is meant; elsewhere nobody could answer."""
    for name in ("a", "b"):
        desk.done("app", "create", name)
    desk.done("app", "delete", "b")
    monkeypatch.setattr("twgw.cli_node.sys", type("Sys", (), {"stdin": type("In", (), {"isatty": lambda _: True})()}))

    assert "Delete a, with every key and token that it has? [y/N]" in desk.refused("app", "delete", "a", typed="n\n")
    assert ["a"] == [each["name"] for each in desk.found("app", "list")]
    assert "a is deleted" in desk.done("app", "delete", "a", "--yes")
