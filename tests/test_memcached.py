"""The door to memcached, to a real one and to one that lies."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from twgw.memcached import VALUES, GarbledError, Get, Memcached, Store, read, see, values_read, written
from twgw.throttle.reservation import Add, Answer, Put
from twgw.throttle.settings import ServerAddress

PATIENCE = 10


class Turns:
    """A reactor of which only callFromThread is used."""

    def __init__(self):
        self.heard = []
        self.news = threading.Condition()

    def callFromThread(self, call, *arguments):  # noqa: N802 - Twisted's name
        with self.news:
            call(*arguments)
            self.news.notify_all()


class Door:
    """A door, and the answers that came through it."""

    def __init__(self, name, timeout=PATIENCE):
        self.turns, self.answers = Turns(), []
        self.memcached = Memcached(self.turns, ServerAddress.from_text(name), timeout)

    def ask(self, *commands):
        before = len(self.answers)
        self.memcached.send(commands, self.answers.append)
        with self.turns.news:
            assert self.turns.news.wait_for(lambda: len(self.answers) > before, PATIENCE)
        return self.answers[before]


@pytest.fixture
def door(memcached):
    """One to a real server."""
    made = Door(memcached.name)
    yield made
    made.memcached.stop()


@pytest.fixture
def liar():
    """A server that answers ``version``, and then what it is told to."""
    made = Liar()
    yield made
    made.close()


class Liar:
    def __init__(self, version=b"VERSION 1.6.18\r\n"):
        self.version, self.pieces, self.asked, self.connections = version, [], b"", 0
        self.endless = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(self.version)
                while self.endless is not None:
                    client.sendall(self.endless[0])
                    threading.Event().wait(self.endless[1])
                while data := client.recv(1 << 20):
                    self.asked += data
                    for piece in self.pieces:
                        client.sendall(piece)
                        threading.Event().wait(0.005)  # so that the pieces come apart

    def close(self):
        self._socket.close()


@pytest.mark.parametrize("size", [0, 1, 300, 59_000])
def test_values_of_any_bytes_are_stored_and_read(memcached, size):
    """Many at once; what is not there is none, and so is what a server does not take."""
    made = Door(memcached.name)
    address = ServerAddress.from_text(memcached.name)
    made.memcached = Memcached(made.turns, address, PATIENCE, VALUES)
    data = bytes(range(256)) * (size // 256 + 1)
    stored = [Store(f"k{number}", data[: size - number % 2] + b"\r\nMN\r\nx", 2_000_000_000) for number in range(20)]
    assert [None] * 20 == made.ask(*stored)
    asked = [Get(f"k{number}") for number in (3, 99, *range(20))]
    assert [stored[3].data, None, *(each.data for each in stored)] == made.ask(*asked)
    assert [None, None] == made.ask(Store("big", b"x" * (2 << 20), 2_000_000_000), Get("big"))
    made.memcached.stop()


@pytest.mark.parametrize(
    "answer",
    [b"", b"MN\r\n", b"EN\r\n", b"VA 3 O0\r\nabc\r\n", b"VA 9 O0\r\nabc\r\nMN\r\n", b"VA 2 O0\r\nabc\r\nMN\r\n",
     b"VA 3 O7\r\nabc\r\nMN\r\n", b"HD\r\nMN\r\n", b"VA x O0\r\nabc\r\nMN\r\n", b"EN\r\nEN\r\nMN\r\n",
     b"\xff\r\nMN\r\n"],
)  # fmt: skip
def test_nonsense_is_no_value(answer):
    """The batch has failed, and nothing of it counts."""
    with pytest.raises(GarbledError):
        values_read(answer, [Get("a")])


def test_counters_count_and_values_are_put(door):
    """In one batch, each with its answer; what was changed meanwhile is not overwritten."""
    made, more = door.ask(Add("a", 5, 2, 60), Add("a", 9, 2, 60))
    assert [5, 7] == [made.value, more.value]
    assert ["EX", Answer(), "NF"] == door.ask(
        Put("a", 1, made.cas, 60), Put("a", 100, more.cas, 60), Put("b", 1, more.cas, 60)
    )
    assert [101] == [reply.value for reply in door.ask(Add("a", 0, 1, 60))]
    assert [Answer()] == door.ask(Put("a", 3))
    assert 3 == door.ask(Add("a", 0, 0, 0))[0].value
    assert door.memcached.version.startswith("1.")
    assert "" == door.memcached.fault


def test_a_batch_of_any_size_is_answered_whole(door):
    """More than comes in one piece: every answer stands at its place."""
    for size in (1, 64, 500, 2000):
        replies = door.ask(*(Add(f"k{size}-{number}", number, 1, 60) for number in range(size)))
        assert list(range(size)) == [reply.value for reply in replies]


def test_a_spoiled_counter_is_said_to_be_one(door, memcached):
    """No number, and one that is too large: memcached says so, and the answers around it stand."""
    memcached.ask("ms bad 3 T0\r\nabc\r\nms long 30 T0\r\n" + "9" * 30 + "\r\nms top 20 T0\r\n18446744073709551615\r\n")
    replies = door.ask(*(Add(key, 1, 2 if key == "top" else 1, 0) for key in ("a", "bad", "long", "top", "a")))
    assert [1, 1, 2] == [replies[place].value for place in (0, 3, 4)]
    assert all(replies[place].startswith("CLIENT_ERROR") for place in (1, 2))


def test_an_answer_that_comes_in_pieces_is_put_together(liar):
    """Wherever it is cut, also inside the end."""
    whole = b"VA 1 c5 O0\r\n7\r\nHD O1\r\nMN\r\n"
    made = Door(liar.name)
    for cut in range(1, len(whole)):
        liar.pieces = [whole[:cut], whole[cut:]]
        assert [Answer(7, 5), Answer()] == made.ask(Add("a", 1, 1, 0), Put("b", 1))
    assert 1 == liar.connections
    made.memcached.stop()


@pytest.mark.parametrize(
    "answer",
    [
        b"MN\r\n", b"VA 1 c5 O1\r\n7\r\nMN\r\n", b"VA 1 c5\r\n7\r\nMN\r\n", b"VA 9 c5 O0\r\n7\r\nMN\r\n",
        b"VA 2 c5 O0\r\n-7\r\nMN\r\n", b"VA 21 c5 O0\r\n123456789012345678901\r\nMN\r\n", b"HD\r\nMN\r\n",
        b"VA x c5 O0\r\n7\r\nMN\r\n", b"VA 1 c5 O0\r\n7\r\nHD O1\r\nMN\r\n", b"\xff\xfe\r\nMN\r\n",
        b"VA 1 cx O0\r\n7\r\nMN\r\n",
        b"VA 1 c5 O0\r\n7\r\n" * 5000 + b"MN\r\n", b"SERVER_ERROR no\r\nSERVER_ERROR no\r\nMN\r\n", b"HELLO\r\nMN\r\n",
    ],
)  # fmt: skip
def test_nonsense_is_no_answer(liar, answer):
    """Nobody knows what was done; the connection is closed, and the next batch gets a new one."""
    made, liar.pieces = Door(liar.name), [answer]
    assert made.ask(Add("a", 1, 1, 0)) is None
    assert made.memcached.fault
    liar.pieces = [b"VA 1 c5 O0\r\n7\r\nMN\r\n"]
    assert [Answer(7, 5)] == made.ask(Add("a", 1, 1, 0))
    assert 2 == liar.connections
    made.memcached.stop()


def test_a_server_that_says_nothing_is_not_waited_for(memcached):
    """Longer than ``timeout``; nothing is asked again, and what it answers late is not taken for something else."""
    made = Door(memcached.name)
    assert [1] == [reply.value for reply in made.ask(Add("a", 1, 1, 60))]
    memcached.hang()
    made.memcached._timeout = 0.05
    assert made.ask(Add("a", 1, 1, 60)) is None
    assert "it did not answer in time" == made.memcached.fault
    memcached.wake()
    deadline = time.monotonic() + PATIENCE
    while "VA 1\r\n2" not in memcached.ask("mg a v\r\n"):  # it does that on another thread than what comes now
        assert time.monotonic() < deadline
    made.memcached._timeout = PATIENCE
    (reply,) = made.ask(Add("a", 1, 1, 60))
    assert 3 == reply.value
    made.memcached.stop()


def test_a_server_that_is_gone_comes_back(memcached):
    """It says why, and the first batch after that is answered."""
    made = Door(memcached.name)
    made.ask(Add("a", 1, 1, 60))
    memcached.stop()
    assert made.ask(Add("a", 1, 1, 60)) is None
    assert made.ask(Add("a", 1, 1, 60)) is None
    assert "refused" in made.memcached.fault
    memcached.start()
    assert [1] == [reply.value for reply in made.ask(Add("a", 1, 1, 60))]
    made.memcached.stop()


@pytest.mark.parametrize("version", [b"VERSION 1.5.22\r\n", b"VERSION \r\n", b"ERROR\r\n", b"hello\r\n"])
def test_a_server_that_is_too_old_or_something_else_is_not_used(version):
    """It is told apart at the connection, before anything counts there."""
    liar = Liar(version)
    made = Door(liar.name, timeout=0.2)
    assert made.ask(Add("a", 1, 1, 0)) is None
    assert made.memcached.fault
    assert b"" == liar.asked
    made.memcached.stop()
    liar.close()


def test_a_server_is_found_by_its_socket(tmp_path):
    """As where the node is on the same machine."""
    made = Door(str(tmp_path / "none.sock"))
    assert made.ask(Add("a", 1, 1, 0)) is None
    assert "No such file" in made.memcached.fault
    made.memcached.stop()


def test_commands_are_one_piece():
    """As memcached writes them down in its protocol."""
    text = written([Add("a", 5, 2, 60), Put("b", 17, 3, 0), Put("c", 1)])
    assert (
        b"ma a N60 J5 D2 v c O0\r\nms b 2 T0 C3 O1\r\n17\r\nms c 1 T0 O2\r\n1\r\nmn\r\n" == text
    )


def test_what_is_read_has_an_answer_for_each_command():
    """Neither fewer nor more."""
    assert [Answer(1)] == read(b"VA 1 O0\r\n1\r\nMN\r\n", [Add("a", 1, 1, 0)])
    with pytest.raises(GarbledError):
        read(b"VA 1 O0\r\n1\r\nMN\r\n", [Add("a", 1, 1, 0)] * 2)


@pytest.mark.parametrize("junk", [b"\n", b"x", b"x\n", b"\r\n", b"x\r\n", b"\0", b"VA 1 c5 O0\r\n7\r\n", b"HD O0\r\n"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nothing_may_stand_between_answers(junk, place):
    """Nor before, nor behind them: what is read at once is every line that came."""
    lines = [b"VA 1 c5 O0\r\n7\r\n", b"VA 2 c6 O1\r\n 8\r\n", b"MN\r\n"]
    commands = [Add("a", 1, 1, 0), Add("b", 1, 1, 0)]
    assert [Answer(7, 5), Answer(8, 6)] == read(b"".join(lines), commands)
    lines[place] = junk + lines[place]
    with pytest.raises(GarbledError):
        read(b"".join(lines), commands)


def test_a_server_is_seen_without_being_changed(memcached):
    """Its version, what it was marked with, and whether it forgets."""
    address = ServerAddress.from_text(memcached.name)
    before = see(address, 1, "twgw")
    memcached.ask("set twgw:mark 0 0 1\r\n7\r\n")

    assert ("", False) == (before.mark, before.evicts)
    assert ("7", before.version) == (see(address, 1, "twgw").mark, before.version)
    assert before.version.startswith("1.")
    assert ["twgw:mark"] == memcached.names()


def test_a_server_that_is_not_there_is_not_seen():
    """In words."""
    with pytest.raises(OSError, match="Connection refused"):
        see(ServerAddress("127.0.0.1", 1), 1, "twgw")


@pytest.mark.parametrize(("piece", "pause"), [(b"1", 0.005), (b"1" * 65536, 0)])
def test_a_server_whose_first_answer_never_ends_is_not_waited_for(piece, pause):
    """However slowly or fast it comes: neither a thread nor the memory is its own."""
    liar = Liar(b"VERSION 1.6.")
    liar.endless = piece, pause
    made = Door(liar.name, timeout=0.2)
    assert made.ask(Add("a", 1, 1, 0)) is None
    assert made.memcached.fault in {"it did not answer in time", "the answer is longer than any that memcached gives"}
    with pytest.raises(OSError, match=r"not answer in time|longer than any"):
        see(ServerAddress.from_text(liar.name), 0.2, "twgw")
    made.memcached.stop()
    liar.close()


@pytest.mark.parametrize("said", [b"END\r\nEND\r\nVERSION \x1b[2J\r\n", b"VERSION 1.6.18\r\n", b"ERROR\r\n"])
def test_what_says_something_else_is_not_seen(said):
    """Nothing of it reaches a terminal."""
    liar = Liar(said)
    with pytest.raises(OSError, match="none that memcached gives"):
        see(ServerAddress.from_text(liar.name), PATIENCE, "twgw")
    liar.close()
