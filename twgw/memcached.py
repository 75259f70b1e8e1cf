"""The one door to memcached: batches of commands, each sent in one piece, by a thread for each server.

The only file that imports pymemcache, which connects.  Its ``raw_command`` loses all but the last piece of an answer
that comes in several, so its socket is written to and read from here.  A server that hangs delays no other one, and
nothing is ever asked twice: a command whose answer did not come may have been done.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from attrs import frozen
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

from twgw.throttle.reservation import Add, Answer, Command, Reply
from twgw.throttle.settings import ServerAddress

Answered = Callable[[Any], None]
END = b"MN\r\n"
OLDEST = (1, 6, 18)
"""The version of memcached that the commands were tried with."""
_VALUE = re.compile(rb"VA (\d{1,9})((?: [a-zA-Z]\S*)*)\Z")
_COUNTED = re.compile(rb"^VA (\d{1,2}) c(\d{1,20}) O(\d{1,9})\r\n( *\d{1,20} *)\r\n", re.MULTILINE)
"""The whole answer to an ``Add``, as it nearly always is: two lines."""
_NUMBER = re.compile(rb" *[0-9]{1,20} *")
_SEEN = re.compile(
    rb"(?:VALUE [^\r\n]*\r\n(?P<mark>[^\r\n]{0,40})\r\n)?END\r\n(?P<settings>(?:STAT [^\r\n]*\r\n)*)END\r\n"
    rb"VERSION (?P<version>[ -~]{0,40})\r\n"
)
_END_OF_SEEN = re.compile(rb"(?:VERSION|ERROR)[^\n]*\n\Z")
_VERSION = re.compile(rb"VERSION ((\d{1,5})\.(\d{1,5})\.(\d{1,5})[ -~]{0,20})\r\n")
_LINE = re.compile(rb"\n\Z")
_DONE = re.compile(rb"(?:\A|\n)MN\r\n\Z")
LONGEST_END = 100
"""Bytes in which the end of an answer is looked for."""
LARGEST = 64 << 10
"""Bytes of what a server says of itself."""


class Get(NamedTuple):
    """Read a value."""

    key: str


class Store(NamedTuple):
    """Put a value there, until a UNIX time."""

    key: str
    data: bytes
    ends: int


class GarbledError(Exception):
    """What came is no answer to what was asked."""


def written(commands: Sequence[Command]) -> bytes:
    """Commands as they are sent, in one piece; the last one has the server say that it has done all of them."""
    lines = []
    for number, command in enumerate(commands):
        if isinstance(command, Add):
            key, initial, delta, lifetime = command
            lines.append(f"ma {key} N{lifetime} J{initial} D{delta} v c O{number}\r\n")
        else:
            key, value, cas, lifetime = command
            data = str(value)
            only = f" C{cas}" if cas else ""
            lines.append(f"ms {key} {len(data)} T{lifetime}{only} O{number}\r\n{data}\r\n")
    return "".join(lines).encode("ascii") + b"mn\r\n"


def read(data: bytes, commands: Sequence[Command]) -> list[Reply]:
    """The answers to them.  Raises GarbledError."""
    if (replies := _counted(data, len(commands))) is not None:
        return replies
    lines = iter(data.split(b"\r\n"))
    replies = [_reply(next(lines, b""), lines, number) for number, _ in enumerate(commands)]
    if [b"MN", b""] != list(lines):
        raise GarbledError("there are other answers than were asked for")
    return replies


def _counted(data: bytes, expected: int) -> list[Reply] | None:
    """The answers to so many ``Add``, when they are as they nearly always are: without a loop of our own."""
    if data.count(b"\n") != 2 * expected + 1 or not data.endswith(b"\n" + END):
        return None
    found = _COUNTED.findall(data)
    if len(found) != expected:
        return None  # otherwise they are all the lines that there are
    sizes, cases, numbers, values = zip(*found, strict=True)
    if list(map(int, numbers)) != list(range(expected)) or list(map(int, sizes)) != list(map(len, values)):
        return None
    return list(map(Answer, map(int, values), map(int, cases)))


def _reply(line: bytes, lines: Iterator[bytes], number: int) -> Reply:
    word, _, rest = line.partition(b" ")
    opaque = b"O%d" % number
    if word in {b"CLIENT_ERROR", b"SERVER_ERROR", b"ERROR"}:
        return line[:100].decode("ascii", "replace")
    if word == b"VA" and (head := _VALUE.match(line)):
        data = next(lines, b"")
        flags = {flag[:1]: flag[1:] for flag in head[2].split()}
        if flags.get(b"O") == opaque[1:] and len(data) == int(head[1]) and _NUMBER.fullmatch(data):
            return Answer(int(data), int(flags.get(b"c", b"0")))
    elif word in {b"HD", b"EX", b"NF", b"NS"} and rest == opaque:
        return Answer() if word == b"HD" else word.decode()
    raise GarbledError("the answer is none that memcached gives")


@frozen
class Seen:
    """A server, as somebody sees it who looks at it once."""

    version: str
    mark: str
    """What nodes have marked it with; empty while none has.  Two servers have two marks."""
    evicts: bool
    """Whether it forgets counters when it is full, in place of refusing them."""


def see(address: ServerAddress, timeout: float, namespace: str) -> Seen:
    """Look at a server, and change nothing.  Raises OSError, with words that say why it cannot be seen."""
    client = Client(address.place, connect_timeout=timeout, timeout=timeout, no_delay=True)
    asked = f"get {namespace}:mark\r\nstats settings\r\nversion\r\n".encode()
    try:
        client._connect()  # noqa: SLF001 - what it offers reads an answer of any length, for ever
        data = _received(client.sock, asked, time.monotonic() + timeout, LARGEST, _END_OF_SEEN)
    except (OSError, MemcacheError, GarbledError) as error:
        raise OSError(_words(error)) from error
    finally:
        client.close()
    if not (found := _SEEN.fullmatch(data)):
        raise OSError("the answer is none that memcached gives")
    mark, settings, version = found["mark"] or b"", found["settings"], found["version"]
    evicts = b"STAT evictions off\r\n" not in settings
    return Seen(version.decode("ascii", "replace"), mark.decode("ascii", "replace").strip(), evicts)


def values_written(commands: Sequence[Get | Store]) -> bytes:
    """The same for values of any bytes."""
    pieces = []
    for number, command in enumerate(commands):
        if isinstance(command, Get):
            pieces.append(f"mg {command.key} v O{number}\r\n".encode("ascii"))
        else:
            key, data, ends = command
            pieces.append(f"ms {key} {len(data)} T{ends} O{number}\r\n".encode("ascii") + data + b"\r\n")
    return b"".join(pieces) + b"mn\r\n"


def values_read(data: bytes, commands: Sequence[Get | Store]) -> list[bytes | None]:
    """The values; None for one that is not there, and for what was to be stored.  Raises GarbledError."""
    values: list[bytes | None] = []
    place = 0
    for number, command in enumerate(commands):
        end = data.find(b"\r\n", place)
        word, *flags = data[place : max(end, place)].split()[:4] or [b""]
        place = end + 2
        value = None
        if isinstance(command, Get) and word == b"VA" and len(flags) == 2 and flags[0].isdigit():
            size = int(flags.pop(0))
            value, place = data[place : place + size], place + size + 2
            if data[place - 2 : place] != b"\r\n":
                raise GarbledError("a value does not end where it should")
        named = word == b"EN" or word.endswith(b"_ERROR") or flags == [b"O%d" % number]  # of no value, it says no more
        if end < 0 or not named:
            raise GarbledError("the answer is none that memcached gives")
        values.append(value)
    if data[place:] != END:
        raise GarbledError("there are other answers than were asked for")
    return values


@frozen
class Language:
    """What is spoken with a server: numbers that are counted, or values of any bytes."""

    written: Callable[[Any], bytes]
    read: Callable[[bytes, Any], list[Any]]
    most: int
    """Bytes of the answer to one command."""


NUMBERS = Language(written, read, 256)
VALUES = Language(values_written, values_read, 64 << 10)


class Memcached:
    """One server.  ``send`` is called, and answers, in the thread of the reactor."""

    def __init__(self, reactor: Any, address: ServerAddress, timeout: float, language: Language = NUMBERS) -> None:
        self._language = language
        self._reactor = reactor
        self._timeout = timeout
        self._client = Client(address.place, connect_timeout=timeout, timeout=timeout, no_delay=True)
        self._tasks: SimpleQueue[tuple[Sequence[Any], Answered] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self.fault = ""
        """Why the last batch was not answered; empty when it was."""
        self.version = ""

    def send(self, commands: Sequence[Any], answered: Answered) -> None:
        """Do all of them, in order; ``answered`` is told what became of each, or None when nobody knows."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name="memcached", daemon=True)
            self._thread.start()
        self._tasks.put((commands, answered))

    def stop(self) -> None:
        """End the thread, after what it is doing; nobody is answered after that."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._tasks.put(None)
            thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            commands, answered = task
            replies: list[Any] | None = None
            try:
                replies = self._exchange(commands)
                self.fault = ""
            except (OSError, MemcacheError, GarbledError, ValueError) as error:
                self._client.close()
                self.fault = _words(error)
            self._reactor.callFromThread(answered, replies)
        self._client.close()

    def _exchange(self, commands: Sequence[Any]) -> list[Any]:
        deadline = time.monotonic() + self._timeout
        if self._client.sock is None:
            self._connect(deadline)
        most = self._language.most * (len(commands) + 1)
        data = _received(self._client.sock, self._language.written(commands), deadline, most, _DONE)
        return self._language.read(data, commands)

    def _connect(self, deadline: float) -> None:
        self._client._connect()  # noqa: SLF001 - what it offers reads an answer of any length, for ever
        answer = _received(self._client.sock, b"version\r\n", deadline, LARGEST, _LINE)
        found = _VERSION.fullmatch(answer)
        self.version = found[1].decode("ascii") if found else ""
        if not found or tuple(map(int, found.groups()[1:])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise GarbledError(f"it is {self.version or 'of no version'}; memcached {oldest} or newer is needed")


def _received(sock: Any, asked: bytes, deadline: float, most: int, end: re.Pattern[bytes]) -> bytes:
    """The answer to what is asked, up to its end: all of it in time, and not more than ``most`` bytes."""
    sock.sendall(asked)
    data = bytearray()
    while not end.search(data, max(len(data) - LONGEST_END, 0)):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("it closed the connection")
        data += piece
        if len(data) > most:
            raise GarbledError("the answer is longer than any that memcached gives")
    return bytes(data)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
