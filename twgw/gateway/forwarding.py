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
    if "via" not in headers.block.special:
        return False
    return any(
        element.split()[1:2] == [pseudonym] for value in headers.get_all("via") for element in value.split(",")
    )


def upstream_request(exchange: Exchange, authority: str, pseudonym: str) -> str:
    """The fields of the request as the upstream gets them, each ended by CRLF, without framing.

    ``authority`` is the value for Host; empty to keep the client's.
    """
    request = exchange.request
    came_by, nominated = exchange.came_by, exchange.nominated
    headers = request.headers
    block = headers.block
    credential = exchange.credential
    made_from = (came_by, authority, credential, headers.edits, nominated)
    sent = block.sent
    if sent is not None and sent[0] == made_from:
        return sent[1]  # the client repeats itself, and so do we
    text = headers.to_upstream(nominated)
    host = request.host
    via = f"{request.version} {pseudonym}"
    element = f"for={_node(came_by.peer)};proto={came_by.scheme}"
    if host:
        element += f';host="{host}"' if ":" in host else f";host={host}"
    forwarded_for, proto, forwarded_host = came_by.peer, came_by.scheme, host
    if "via" in block.special:
        via = ", ".join([*headers.get_all("via"), via])
    if came_by.trusted:
        forwarded_for = ", ".join([*headers.get_all("x-forwarded-for"), came_by.peer])
        proto = headers.get("x-forwarded-proto") or proto
        forwarded_host = headers.get("x-forwarded-host") or host
        element = ", ".join([*headers.get_all("forwarded"), element])
    text = (
        f"Host: {authority or host}\r\n{text}Via: {via}\r\n"
        f"X-Forwarded-For: {forwarded_for}\r\nX-Forwarded-Proto: {proto}\r\nX-Forwarded-Host: {forwarded_host}\r\n"
        f"Forwarded: {element}\r\n"
    )
    if credential is not None:
        text += _identity(credential.application, credential.id, credential.user or "", credential.groups)
    block.sent = (made_from, text)
    return text


@lru_cache(8192)
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


def status_line(status: int, reason: str) -> str:
    """The first line of a response, always HTTP/1.1 (RFC 9112, 2.3)."""
    return f"HTTP/1.1 {status} {reason or _REASONS.get(status, '')}\r\n"
