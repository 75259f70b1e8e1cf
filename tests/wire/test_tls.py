"""TLS on both sides: our certificate and its reload, the upstream's and its verification."""

import datetime as dt
import http.client
import ipaddress
import signal
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.wire.processes import PATIENCE, Upstream, free_port

DAY = dt.timedelta(days=1)
START = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - as cryptography wants it
END = START + 36500 * DAY


def certificate(folder, name, issuer=None, *, serial=1, key=None):
    """Write NAME.pem with key and certificate; returns what can issue others."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (subject, key) if issuer is None else issuer[:2]
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(key.public_key())
        .serial_number(serial).not_valid_before(START).not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names if name != "elsewhere" else names[:1]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )  # fmt: skip
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return subject, key, path


def trusting(path):
    context = ssl.create_default_context(cafile=path)
    context.check_hostname = False
    return context


def mock():
    settings = {"status": 200, "body": "hello"}
    return {
        "apis": [
            {
                "name": "m",
                "version": "1",
                "base_path": "/",
                "policies": [{"name": "mock-response", "settings": settings}],
            }
        ]
    }


def test_a_new_certificate_serves_new_connections(node, tmp_path):
    """SIGHUP reads it again; a connection that is open goes on with the old one."""
    certificate(tmp_path, "gateway", serial=7)
    port = free_port()
    path = tmp_path / "gateway.pem"
    running = node(mock(), listen=[f"ssl:{port}:certKey={path}:privateKey={path}:interface=127.0.0.1"])

    def connect():
        return trusting(path).wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE))

    def ask(client):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status, answer.read(), int(client.getpeercert()["serialNumber"], 16)

    old = connect()
    assert (200, b"hello", 7) == ask(old)

    certificate(tmp_path, "gateway", serial=8)
    running.process.signal(signal.SIGHUP)
    running.process.wait_for("1 API in force", times=2)

    with connect() as new:
        assert (200, b"hello", 8) == ask(new)
    assert (200, b"hello", 7) == ask(old)
    old.close()

    path.write_text("nonsense")
    running.process.signal(signal.SIGHUP)
    running.process.wait_for(f"{path}: holds no certificate in PEM form; the old certificate stays")
    assert f"certificate: {path}: holds no" in running.ask("/readyz")[2].decode()
    metrics = running.ask("/metrics")[2].decode()
    assert "twgw_certificate_faulty 1.0\n" in metrics
    assert f'twgw_certificate_expires_at{{listener="ssl:{port}"}} ' in metrics

    certificate(tmp_path / "..", "gateway", serial=9)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_clients_as_they_are_get_an_answer(node, tmp_path):
    """They offer protocols and name the host, as browsers and curl do; a request for another host is refused."""
    certificate(tmp_path, "localhost")
    port, path = free_port(), tmp_path / "localhost.pem"
    node(mock(), listen=[f"ssl:{port}:certKey={path}:privateKey={path}:interface=127.0.0.1"])
    context = ssl.create_default_context(cafile=path)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def ask(host):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as client:
            assert "http/1.1" == client.selected_alpn_protocol()
            client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            return answer.status, answer.getheader("Connection")

    assert [(200, None), (200, None), (421, "close")] == [ask(host) for host in ("localhost", "LocalHost.:1", "other")]


def test_the_start_ends_with_a_line_when_a_certificate_cannot_be_used(start, tmp_path):
    """No traceback: the file, and what is wrong with it."""
    path = tmp_path / "bad.pem"
    path.write_text("nonsense")
    process = start(environment={"TWGW_GATEWAY_LISTEN": f"ssl:0:certKey={path}", "TWGW_ADMIN_LISTEN": ""})

    assert 1 == process.end()
    assert process.lines[-1].endswith(f" {path}: holds no certificate in PEM form")
    assert "Traceback" not in "".join(process.lines)


def test_old_versions_of_tls_are_refused(node, tmp_path):
    """1.2 is the least."""
    certificate(tmp_path, "gateway")
    port, path = free_port(), tmp_path / "gateway.pem"
    node(mock(), listen=[f"ssl:{port}:certKey={path}:privateKey={path}:interface=127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE))


@pytest.mark.parametrize(
    ("server", "tls", "status"),
    [
        ("localhost", {"ca_file": "ca.pem"}, 200),
        ("localhost", {}, 502),
        ("elsewhere", {"ca_file": "ca.pem"}, 502),
        ("elsewhere", {"ca_file": "ca.pem", "server_name": "elsewhere"}, 200),
        ("elsewhere", {"verify": False}, 200),
    ],
)
def test_an_upstream_is_verified(node, tmp_path, server, tls, status):
    """By authority and name, unless somebody says otherwise."""
    ca = certificate(tmp_path, "ca")
    _, _, path = certificate(tmp_path, server, ca, serial=2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    secure = Upstream(context=context)
    upstream = {"targets": [{"url": f"https://localhost:{secure.port}"}], "tls": tls}
    running = node({"apis": [{"name": "s", "version": "1", "base_path": "/s", "upstream": upstream}]})

    answer = running.get("/s")

    assert status == answer[0]
    assert (status == 200) == (answer[2] == b"upstream")
    secure.close()


def test_tls_clients_that_do_nothing_are_let_go(node, tmp_path):
    """No handshake, no head, no further request, no reading: each ends by its deadline."""
    certificate(tmp_path, "gateway")
    port, path = free_port(), tmp_path / "gateway.pem"
    state = mock()
    state["apis"][0]["policies"][0]["settings"]["body"] = "z" * 2_000_000
    listen = [f"ssl:{port}:certKey={path}:privateKey={path}:interface=127.0.0.1"]
    node(state, listen=listen, gateway={"header_timeout": 4, "keepalive_timeout": 4, "send_timeout": 4})

    def connect():
        client = socket.socket()
        client.settimeout(PATIENCE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        return client

    def wrapped():
        return trusting(path).wrap_socket(connect(), suppress_ragged_eofs=True)

    with connect() as silent, wrapped() as headless, wrapped() as idle, wrapped() as greedy:
        idle.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        with pytest.raises((ConnectionError, ssl.SSLEOFError)):  # nobody reads what it asks, then it is cut off
            greedy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000_000)
        assert [b"", b""] == [client.recv(65536) for client in (headless, idle)]
        with pytest.raises(ConnectionResetError):
            silent.recv(65536)
