"""A gateway as its users meet it: started by twistd, asked over sockets, told by signals and files."""

import http.client
import json
import re
import shutil
import signal
import socket
import stat
import threading
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.wire.processes import PATIENCE, Upstream, api, free_port

NOWHERE = {"TWGW_ADMIN_LISTEN": "", "TWGW_CONTROL_LISTEN": ""}
EXAMPLES = Path(__file__).parents[2] / "etc" / "examples"


def test_the_first_start_shows_the_product(start, tmp_path):
    """No file, no server: a demo that answers, its limit, and where things are kept."""
    port, admin = free_port(), free_port()
    process = start(
        environment={
            "TWGW_GATEWAY_LISTEN": f"tcp:{port}", "TWGW_ADMIN_LISTEN": f"tcp:{admin}:interface=127.0.0.1",
            "TWGW_CONTROL_LISTEN": "",
        }
    )
    line = process.wait_for("curl")
    key = re.search("X-API-Key: ([^']+)'", line)[1]
    answers = []
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        reader = client.makefile("rb")
        while 429 not in [each[0] for each in answers] and len(answers) < 30:  # a window may end in the middle
            client.sendall(f"GET /demo/hello HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n".encode())
            status = int(reader.readline().split()[1])
            fields = dict(each.decode().strip().lower().split(": ", 1) for each in iter(reader.readline, b"\r\n"))
            answers.append((status, fields, reader.read(int(fields["content-length"]))))

    first, last = answers[0], answers[-1]
    assert (200, 429) == (first[0], last[0])
    assert first[1]["ratelimit"].startswith('"bronze";r=9;t=')
    assert "application/problem+json" == last[1]["content-type"]
    assert 1 <= int(last[1]["retry-after"]) <= 60
    assert 429 == json.loads(last[2])["status"]
    assert f":{port}/demo/hello" in line
    assert process.wait_for("memory only")
    assert 0o700 == stat.S_IMODE((tmp_path / "twgw-data").stat().st_mode)
    process.signal(signal.SIGTERM)
    assert 0 == process.end()

    again = start(environment={"TWGW_GATEWAY_LISTEN": f"tcp:{port}", **NOWHERE})

    assert key in again.wait_for("curl")


def test_the_examples_run_as_they_stand(start, upstream, tmp_path):
    """etc/examples, on other ports: a mock, a key, a limit, fields for the upstream, its path with and without base."""
    shutil.copy(EXAMPLES / "twgw.toml", tmp_path)
    state = (EXAMPLES / "apis.yaml").read_text()
    for port in ("9000", "9001"):
        assert f":{port}" in state
        state = state.replace(f":{port}", f":{upstream.port}")
    (tmp_path / "apis.yaml").write_text(state)
    port = free_port()
    listen = {"TWGW_GATEWAY_LISTEN": f"tcp:{port}:interface=127.0.0.1", **NOWHERE}
    start("--config", "twgw.toml", environment=listen).wait_for("memory only")

    def get(path, **fields):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        client.request("GET", path, headers=fields)
        answer = client.getresponse()
        client.close()
        return answer.status, answer.headers

    assert 200 == get("/status")[0]
    assert 401 == get("/orders/1")[0]
    status, fields = get("/orders/1", **{"X-API-Key": "dev-only-shop-key"})
    assert (200, '"gold";q=20;w=60') == (status, fields["RateLimit-Policy"])
    assert 200 == get("/public/a")[0]
    heads = b"".join(upstream.received)
    assert [b"GET /1 ", b"GET /public/a "] == re.findall(rb"GET \S+ ", heads)
    assert 1 == heads.count(b"X-Team: orders\r\n")
    assert b"dev-only" not in heads


def test_a_saved_file_is_in_force(node, upstream):
    """Without a signal, and without a request lost: each answer is the old one or the new one."""
    running = node({"apis": [api(upstream.port)]})
    stop, seen = threading.Event(), []

    def ask():
        while not stop.is_set():
            seen.append(running.get("/pets/1")[0])

    asking = threading.Thread(target=ask)
    asking.start()
    running.write({"apis": [api(upstream.port), api(upstream.port, "cats")]})
    running.process.wait_for("2 APIs in force")
    running.process.signal(signal.SIGHUP)
    running.process.wait_for("2 APIs in force", times=2)
    stop.set()
    asking.join(PATIENCE)

    assert {200} == set(seen)
    assert 200 == running.get("/cats/1")[0]


def test_a_bad_file_changes_nothing_and_is_told(node, upstream):
    """In the log with its place, in /readyz and as a metric; a good one ends it."""
    running = node({"apis": [api(upstream.port)]})
    running.write("apis:\n  - name: pets\n    version: '1'\n    base_path: /pets\n    upstrem: {}\n")
    line = running.process.wait_for("did you mean upstream?")

    assert "apis.yaml:5: apis[0].upstrem: unknown" in line
    assert 200 == running.get("/pets/1")[0]
    document = json.loads(running.ask("/readyz")[2])
    assert document["ready"]
    assert "apis.yaml:5" in document["warnings"][0]
    assert b"twgw_state_faulty 1.0" in running.ask("/metrics")[2]

    running.write({"apis": [api(upstream.port), api(upstream.port, "cats")]})
    running.process.wait_for("2 APIs in force")

    assert b"twgw_state_faulty 0.0" in running.ask("/metrics")[2]


def test_a_node_answers_questions(node, upstream):
    """Health, readiness and metrics on both listeners, never on the one for traffic."""
    status_port = free_port()
    running = node({"apis": [api(upstream.port)]}, status={"listen": f"tcp:{status_port}:interface=127.0.0.1"})
    running.get("/pets/1", **{"X-API-Key": "canary"})
    running.get("/nowhere")

    for port in (running.admin, status_port):
        assert [200, 200] == [running.get(path, port)[0] for path in ("/healthz", "/readyz")]
        families = {
            each.name: each for each in text_string_to_metric_families(running.get("/metrics", port)[2].decode())
        }
        assert {
            "twgw_requests",
            "twgw_request_seconds",
            "twgw_ready",
            "process_resident_memory_bytes",
        } <= families.keys()
    assert 404 == running.get("/readyz")[0]


def test_the_access_log_survives_rotation(node, upstream):
    """A moved file keeps what it has; what comes later stands in a new one.  Every line is JSON."""
    running = node({"apis": [api(upstream.port)]})
    log = running.folder / "data" / "access.log"
    running.get("/pets/1")
    running.terminate()
    moved = log.rename(log.with_suffix(".1"))
    (line,) = moved.read_text().splitlines()

    assert {"path": "/pets/1", "status": 200, "api": "pets:1"}.items() <= json.loads(line).items()


def test_sigterm_lets_exchanges_finish(node):
    """No new connection, the answer under way is whole, and says that the connection ends."""
    arrived, leave = threading.Event(), threading.Event()

    def slowly(_head):
        arrived.set()
        leave.wait(PATIENCE)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    slow = Upstream(slowly)
    running = node({"apis": [api(slow.port)]})
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as client:
        client.sendall(b"GET /pets/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        arrived.wait(PATIENCE)
        running.process.signal(signal.SIGTERM)
        running.process.wait_for(f"(TCP Port {running.port} Closed)")
        running.process.wait_for("stopping: 1 exchanges may go on for 30 s")
        assert 503 == running.ask("/readyz")[0]
        leave.set()
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nok")
    assert 0 == running.process.end()


def test_a_second_signal_ends_at_once(node):
    """Whatever is under way."""
    arrived = threading.Event()

    def never(_head):
        arrived.set()
        threading.Event().wait(PATIENCE)
        return b""

    slow = Upstream(never)
    running = node({"apis": [api(slow.port)]})
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as client:
        client.sendall(b"GET /pets/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        arrived.wait(PATIENCE)
        running.process.signal(signal.SIGTERM)
        running.process.wait_for("Closed)")
        running.process.signal(signal.SIGTERM)
        assert 1 == running.process.end()
    assert running.process.wait_for("a second signal: stopped at once")


def test_what_takes_too_long_is_cut_off_and_said(node):
    """After drain_timeout the node ends all the same."""
    arrived = threading.Event()
    slow = Upstream(lambda _head: arrived.set() or threading.Event().wait(PATIENCE) or b"")
    running = node({"apis": [api(slow.port)]}, gateway={"drain_timeout": 0.3})
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as client:
        client.sendall(b"GET /pets/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        arrived.wait(PATIENCE)

        assert 0 == running.terminate()
    assert running.process.wait_for("1 exchanges were not done in time and are cut off")


def test_a_port_in_use_is_said_in_one_line(start, node, upstream, tmp_path):
    """And ends the start with status 1, without a traceback."""
    running = node({"apis": [api(upstream.port)]})
    other = start(folder=tmp_path, environment={"TWGW_GATEWAY_LISTEN": f"tcp:{running.port}:interface=127.0.0.1"})

    assert f"port {running.port}" in other.wait_for("cannot listen on")
    assert 1 == other.end()
    assert not any("Traceback" in line for line in other.lines)


def test_what_is_wrong_at_the_start_is_said_line_by_line(start, tmp_path):
    """A configuration, then a state: file, line, path, and no traceback."""
    (tmp_path / "twgw.toml").write_text("[gateway]\nlisten = ['tcp:0']\nmax_haed = 1\n[state]\nfile = 'apis.yaml'\n")
    first = start("--config", "twgw.toml")

    assert "did you mean max_head?" in first.wait_for("max_haed")
    assert 1 == first.end()

    (tmp_path / "twgw.toml").write_text(
        "[gateway]\nlisten = ['tcp:0']\n[admin]\nlisten = ''\n[state]\nfile = 'apis.yaml'\n"
    )
    (tmp_path / "apis.yaml").write_text("apis:\n  - {name: a, version: '1', base_path: a}\n")
    for arguments in (["--check"], []):
        second = start("--config", "twgw.toml", *arguments)
        assert "apis[0].base_path" in second.wait_for("apis.yaml:2")
        assert 1 == second.end()
        assert not any("Traceback" in line for line in [*first.lines, *second.lines])


def test_ipv6(node, upstream):
    """A listener without an interface answers on both."""
    port = free_port()
    running = node({"apis": [api(upstream.port)]}, listen=[f"tcp:{port}"])

    assert 200 == running.get("/pets/1", port)[0]
    with socket.create_connection(("::1", port), PATIENCE) as client:
        client.sendall(b"GET /pets/1 HTTP/1.0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert any(b"X-Forwarded-For: ::1\r\n" in piece for piece in upstream.received)
    assert any(b"X-Forwarded-For: 127.0.0.1\r\n" in piece for piece in upstream.received)
