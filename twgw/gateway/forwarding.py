"""What is sent on: the head of the request to the upstream and the head of the response to the client.

Pure.  Framing is always ours: fields for one hop are taken away, what we vouch for is set after that, so no client can
speak in our name (RFC 9110, 7.6; RFC 7239).  ``upstream.py`` and ``edge.py`` call it once for each message.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final
from urllib.parse import quote

from twgw.policy.exchange import Exchange, Hop
from twgw.policy.headers import Headers

Networks = tuple[IPv4Network | IPv6Network, ...]


@lru_cache(4096)
def hop(peer: str, scheme: str, trusted_proxies: Networks) -> Hop:
    """The hop of a connection from this address."""
    return Hop(peer, scheme, _within(peer, trusted_proxies))


def _within(text: str, networks: Networks) -> bool:
    if not networks:
        return False
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in networks)


def client_address(came_by: Hop, headers: Headers, trusted_proxies: Networks) -> str:
    """The address of the client: the right-most hop that is not a trusted proxy.

    Only a trusted peer's X-Forwarded-For is read; an entry that is no address ends the search at the hop before it.
    """
    client = came_by.peer
    if came_by.trusted:
        entries = ",".join(headers.get_all("x-forwarded-for")).split(",")
        for entry in reversed(entries):
            try:
                address = ip_address(entry.strip().removeprefix("[").removesuffix("]"))
            except ValueError:
                break
            client = str(address)
            if not _within(client, trusted_proxies):
                break
    return client


def loops(headers: Headers, pseudonym: str) -> bool:
    """Whether the request came through this gateway before (RFC 9110, 7.6.3)."""
    return any(element.split()[1:2] == [pseudonym] for value in headers.values("via") for element in value.split(","))


def upstream_request(exchange: Exchange, authority: str, pseudonym: str) -> str:
    """The fields of the request as the upstream gets them, each ended by CRLF, without framing.

    ``authority`` is the value for Host; empty to keep the client's.
    """
    request, came_by, credential = exchange.request, exchange.came_by, exchange.credential
    headers, host = request.headers, request.host
    if came_by.trusted or "via" in headers.shape.special:
        told = _passed_on(headers, came_by, host, request.version, pseudonym)
    else:
        told = _told(came_by.peer, came_by.scheme, host, request.version, pseudonym)
    text = f"Host: {authority or host}\r\n{headers.to_upstream(exchange.nominated)}{told}"
    return text if credential is None else text + _identity(
        credential.application, credential.id, credential.user or "", credential.groups
    )


@lru_cache(8192)
def _told(peer: str, scheme: str, host: str, version: str, pseudonym: str) -> str:
    """What we vouch for about a request that came straight from its client."""
    return _fields(f"{version} {pseudonym}", peer, scheme, host, _element(peer, scheme, host))


def _passed_on(headers: Headers, came_by: Hop, host: str, version: str, pseudonym: str) -> str:
    """The same about a request that came through others; those that are trusted are believed."""
    via = ", ".join([*headers.get_all("via"), f"{version} {pseudonym}"])
    element = _element(came_by.peer, came_by.scheme, host)
    if not came_by.trusted:
        return _fields(via, came_by.peer, came_by.scheme, host, element)
    return _fields(
        via,
        ", ".join([*headers.get_all("x-forwarded-for"), came_by.peer]),
        headers.get("x-forwarded-proto") or came_by.scheme,
        headers.get("x-forwarded-host") or host,
        ", ".join([*headers.get_all("forwarded"), element]),
    )


def _fields(via: str, forwarded_for: str, proto: str, host: str, forwarded: str) -> str:
    return (
        f"Via: {via}\r\nX-Forwarded-For: {forwarded_for}\r\nX-Forwarded-Proto: {proto}\r\n"
        f"X-Forwarded-Host: {host}\r\nForwarded: {forwarded}\r\n"
    )


def _element(peer: str, scheme: str, host: str) -> str:
    """A hop in Forwarded (RFC 7239, 4)."""
    element = f"for={_node(peer)};proto={scheme}"
    return element + (f';host="{host}"' if ":" in host else f";host={host}" if host else "")


def _node(address: str) -> str:
    """An address as a node of Forwarded (RFC 7239, 6)."""
    return f'"[{address}]"' if ":" in address else address


@lru_cache(65536)
def _identity(application: str, credential: str, user: str, groups: tuple[str, ...]) -> str:
    """Who calls, for the upstream; the names are Kong's."""
    safe = " !#$&'()*+,/:;=?@[]"
    fields = {
        "X-Consumer-Username": quote(application or user, safe),
        "X-Credential-Identifier": quote(credential, safe),
        "X-Authenticated-Userid": quote(user, safe),
        "X-Consumer-Groups": ", ".join(quote(group, safe.replace(",", "")) for group in groups),
    }
    return "".join(
        f"{name}: {value}\r\n" for name, value in fields.items() if value or name.endswith(("Username", "Identifier"))
    )


_REASONS: Final = {
    100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect",
    308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    417: "Expectation Failed", 421: "Misdirected Request", 422: "Unprocessable Content", 426: "Upgrade Required",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    505: "HTTP Version Not Supported", 508: "Loop Detected",
}  # fmt: skip


@lru_cache(1024)
def status_line(status: int, reason: str) -> str:
    """The first line of a response, always HTTP/1.1 (RFC 9112, 2.3)."""
    return f"HTTP/1.1 {status} {reason or _REASONS.get(status, '')}\r\n"
