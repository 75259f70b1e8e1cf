"""Connections to LDAP servers, which block and are made in threads.  The only file that imports ldap3.

``Servers`` are those of one store, for ``directory/store.py`` and ``cli_ldap.py``.  Nothing is left to the defaults of
ldap3: they follow referrals with the password, verify no certificate, and take an empty name for a wish to be nobody.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import ldap3
from attrs import define, field, frozen
from ldap3.core.exceptions import LDAPExceptionError

from twgw.directory.groups import Entry, Failure, Found, Tell
from twgw.directory.login import silent
from twgw.directory.settings import LdapStore, ServerAddress

MOST_ADDRESSES = 4
"""Addresses of one name that are tried."""
SIZE_LIMIT_EXCEEDED, NO_SUCH_OBJECT, REFERRAL = 4, 32, 10
UNSUPPORTED = {2, 12, 53, 92}
"""Results of "who am I" where a server has no such operation."""


def _tls_context(store: LdapStore) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=store.ca_file)
    except OSError as error:
        raise OSError(f"ca_file: {store.ca_file} holds no authorities: {_words(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not store.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Tls(ldap3.Tls):
    """TLS by Python's own context, which checks chain and name; ldap3's checks neither unless it is told to."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=context.verify_mode)
        self._context = context
        self._name = name
        self.fault: OSError | None = None
        """Why there is no TLS; ldap3 passes on only the words of it."""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Encrypt the socket of a connection."""
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket, do_handshake_on_connect=False, server_hostname=self._name
            )
            if do_handshake:  # only now: whoever cuts the connection finds the socket that waits
                connection.socket.do_handshake()
        except OSError as error:
            self.fault = error
            raise


@frozen(eq=False)
class Servers:
    """The servers of one store.  Raises OSError for a ca_file that cannot be used."""

    store: LdapStore
    now: Callable[[], float]
    """Monotonic seconds."""
    _context: ssl.SSLContext = field(init=False)

    @_context.default
    def _verified(self) -> ssl.SSLContext:
        return _tls_context(self.store)

    def call(self, server: ServerAddress, deadline: float, tell: Tell = silent) -> "Call":
        """What will be asked of one of them, until then."""
        return Call(self.store, server, self._context, self.now, deadline, tell)


@define(eq=False)
class Call:
    """Everything that is asked of one server for one user, until ``deadline`` on the clock ``now``."""

    store: LdapStore
    server: ServerAddress
    context: ssl.SSLContext
    now: Callable[[], float]
    deadline: float
    tell: Tell
    aborted: bool = False
    begun: bool = False
    """Whether the server was asked, or the call still waits for a thread."""
    _open: list["Connection"] = field(factory=list, init=False)

    def connect(self) -> "Connection":
        """A new connection to the server, encrypted as the store says.  Raises Failure."""
        self.begun = True
        failure = Failure("resolve", f"{self.server.host} has no address", "correct servers, or the DNS", lost=True)
        for address in self._addresses():
            connection = Connection(self)
            self._open.append(connection)
            try:
                connection.open(address)
            except Failure as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure

    def left(self) -> float:
        """Seconds that are left.  Raises Failure when there are none, or when nobody waits any more."""
        left = self.deadline - self.now()
        if left <= 0 or self.aborted:
            raise Failure("time", "not done in time", "raise timeout, or look at the load of the server", lost=True)
        return left

    def abort(self) -> None:
        """End every connection, from another thread: what waits for the server stops waiting."""
        self.aborted = True
        for connection in list(self._open):
            connection.cut()

    def _addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self.server.host, self.server.port, type=socket.SOCK_STREAM)
        except OSError as error:
            hint = "correct servers, or the DNS"
            raise Failure("resolve", f"{self.server.host}: {error.strerror}", hint, lost=True) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))[:MOST_ADDRESSES]
        self.tell("resolve", f"{self.server.host} is {', '.join(addresses)}")
        return addresses


class Connection:
    """One connection to one server; ``Session`` of directory/login.py."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._answered = False
        self._ldap: Any = None

    def open(self, address: str) -> None:
        """Connect and encrypt.  Raises Failure."""
        call = self._call
        store, server = call.store, call.server
        tls = _Tls(call.context, store.server_name or server.host)
        place = ldap3.Server(
            address, server.port, use_ssl=server.scheme == "ldaps", tls=tls, get_info=ldap3.NONE,
            allowed_referral_hosts=[], connect_timeout=self._patience(),
        )  # fmt: skip
        self._ldap = ldap3.Connection(
            place, authentication=ldap3.ANONYMOUS, client_strategy=ldap3.SYNC, auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False, read_only=True, check_names=False, auto_escape=False, raise_exceptions=False,
        )  # fmt: skip
        where = f"{server} at {address}"
        try:
            self._ldap.open(read_server_info=False)
        except LDAPExceptionError as error:
            if tls.fault:
                raise _no_tls(tls.fault, store, server) from error
            hint = "is the server running, and is it this port?"
            raise Failure("connect", f"{where}: {_words(error)}", hint, lost=True) from error
        # Else the first request on TLS waits 40 ms for the server's delayed acknowledgement.
        self._ldap.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        call.tell("connect", where)
        if server.scheme == "ldap" and store.start_tls:
            try:
                self._ask(self._ldap.start_tls, read_server_info=False)
            except Failure as failure:
                if tls.fault:
                    raise _no_tls(tls.fault, store, server) from failure
                hint = "does the server have a certificate?  Else use ldaps://, or another server"
                raise Failure("TLS", f"no StartTLS: {failure.text}", hint, lost=True) from failure
        encrypted = self._ldap.socket
        if isinstance(encrypted, ssl.SSLSocket):
            call.tell("TLS", f"{encrypted.version()}, {'verified' if store.verify else 'NOT verified'}")
        else:
            call.tell("TLS", "none: the password can be read on the way")

    def bind(self, dn: str, password: str) -> tuple[int, str]:
        """As ``Session`` says.  An empty name or password is a mistake in the program: ValueError."""
        if not dn or not password:
            raise ValueError("a bind has a name and a password")
        self._ldap.authentication, self._ldap.user = ldap3.SIMPLE, dn
        # As octets: ldap3 makes text anew by SASLprep, of which some passwords come out empty.
        self._ldap.password = password.encode()
        try:
            self._ask(self._ldap.bind, read_server_info=False)
        finally:
            self._ldap.password = None
        return self._result()

    def who_am_i(self) -> str | None:
        """As ``Session`` says."""
        who = self._ask(self._ldap.extend.standard.who_am_i)
        code, says = self._result()
        if code in UNSUPPORTED:
            return None
        if code:
            raise Failure("who am I", says, "see what the server says")
        return str(who or "")

    def search(
        self, base: str, filter: str, attributes: Sequence[str], *, most: int, page: int = 0, only_base: bool = False
    ) -> Found:
        """As ``Session`` says.  References to other servers are not followed."""
        entries: list[Entry] = []
        cookie: Any = None
        while True:
            self._ask(
                self._ldap.search, base, filter, ldap3.BASE if only_base else ldap3.SUBTREE, ldap3.DEREF_NEVER,
                list(attributes), size_limit=0 if page else most, paged_size=page or None, paged_cookie=cookie,
            )  # fmt: skip
            entries += [_entry(each) for each in self._ldap.response or () if each["type"] == "searchResEntry"]
            code, says = self._result()
            if code == NO_SUCH_OBJECT and only_base:
                return Found(())
            if len(entries) > most or (code == SIZE_LIMIT_EXCEEDED and (not page or len(entries) == most)):
                return Found(entries[:most], more=True)
            if code:
                raise self._no_search(base, code, says)
            cookie = _cookie(self._ldap.result) if page else None
            if not cookie:
                return Found(entries)
            if len(entries) >= most:
                return Found(entries, more=True)

    def _no_search(self, base: str, code: int, says: str) -> Failure:
        """What is wrong with a search, and what may be changed."""
        account = self._call.store.bind_dn
        hint = "see what the server says"
        if code in {NO_SUCH_OBJECT, REFERRAL}:
            hint = "correct user_base or group_base: this server has none, or hides it"
            hint += f" from {account}" if account else "; set bind_dn and password of an account that sees it"
        elif code in {1, 8, 48, 50}:
            hint = "set bind_dn and password of an account that may search there"
        elif code == SIZE_LIMIT_EXCEEDED:
            hint = f"let the server give {account or 'everybody'} more entries (slapd: limits … size.prtotal=unlimited)"
        return Failure("search", f"{base}: {says}", hint, lost=code in {3, 51, 52, 80})

    def close(self) -> None:
        """As ``Session`` says."""
        if self._ldap is not None and not self._ldap.closed:
            with suppress(Exception):  # whatever it is: nothing more is wanted of it
                self._ldap.socket.settimeout(0.5)
                self._ldap.unbind()
        wire = self._ldap.socket if self._ldap is not None else None
        if wire is not None:  # ldap3 leaves a socket open that it could not use
            with suppress(OSError):
                wire.close()

    def cut(self) -> None:
        """End it at once, from any thread."""
        wire = self._ldap.socket if self._ldap is not None else None
        if wire is not None:
            with suppress(OSError, ValueError):
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    def _patience(self) -> float:
        """Seconds to wait for the server: until it has answered once, no longer than for a connection."""
        left = self._call.left()
        return left if self._answered else min(left, self._call.store.connect_timeout)

    def _ask(self, ask: Callable[..., Any], *what: Any, **more: Any) -> Any:
        """One request and its answer.  Raises Failure."""
        self._ldap.socket.settimeout(self._patience())
        try:
            answer = ask(*what, **more)
        except LDAPExceptionError as error:
            raise self._lost(error) from error
        except Exception as error:  # an answer that is no LDAP can break ldap3 anywhere
            raise self._lost(error) from error
        self._answered = True
        return answer

    def _lost(self, error: Exception) -> Failure:
        late = "timed out" in str(error)
        hint = "is it overloaded or stopped?" if late else "is this an LDAP server?  See its log"
        text = f"{self._call.server}: " + ("no answer in time" if late else _words(error))
        return Failure("answer", text, hint, lost=True)

    def _result(self) -> tuple[int, str]:
        result = self._ldap.result
        says = " ".join(str(result["message"] or "").split())
        return int(result["result"]), f"{result['description']}{f', {says}' if says else ''}"


def _entry(found: dict[str, Any]) -> Entry:
    attributes = {
        name.partition(";")[0].lower(): tuple(value.decode("utf-8", "replace") for value in values)
        for name, values in found["raw_attributes"].items()
    }
    return Entry(str(found["dn"]), attributes)


def _cookie(result: dict[str, Any]) -> Any:
    control = result.get("controls", {}).get("1.2.840.113556.1.4.319", {})
    return control.get("value", {}).get("cookie")


def _no_tls(fault: OSError, store: LdapStore, server: ServerAddress) -> Failure:
    """What is wrong with TLS, and what may be changed."""
    if isinstance(fault, TimeoutError):
        return Failure("TLS", f"{server}: no answer in time", "is it overloaded or stopped?", lost=True)
    words = str(getattr(fault, "verify_message", "") or getattr(fault, "reason", "") or fault)
    match getattr(fault, "verify_code", 0):
        case 62 | 64:
            hint = "set server_name to a name in the certificate, or name the server as the certificate does"
        case 9 | 10:
            hint = "the certificate's time is over or yet to come: renew it, or set the clock"
        case 0:
            hint = "does this port speak TLS?  ldaps:// is mostly 636; on 389 use ldap://, with start_tls"
        case _:
            hint = "set ca_file to the PEM file of the authority that signed the certificate"
            hint += " (it is another one)" if store.ca_file else ""
    return Failure("TLS", f"{server}: {words}", hint, lost=True)


def _words(error: BaseException) -> str:
    """What ldap3 or the system says, on one line; neither shows what was sent."""
    return " ".join(str(error).split()) or type(error).__name__
