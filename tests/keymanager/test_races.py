"""Many at once with one code or one refresh token: exactly one gets something, and then nobody has anything.

Two key managers share the database, as two nodes do.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

from tests.keymanager.conftest import Caller, Log, fill, manager

MANY, THREADS = 100, 10


def at_once(database, ask):
    """What 100 requests get, sent to two nodes by ten threads that begin together."""
    nodes = [Caller(manager(database), Log()) for _ in range(2)]
    start, numbers = Barrier(THREADS), count(1)
    for node in nodes:
        node.address = lambda: f"10.0.0.{next(numbers)}"  # nobody is refused for asking too often

    def work(number):
        if number < THREADS:
            start.wait()
        answer = ask(nodes[number % 2])
        return answer.status_code, answer.json

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(work, range(MANY)))
    assert [[], []] == [node.log.lines for node in nodes]
    return answers


def test_of_many_who_show_a_code_one_wins(database):
    """The others are refused, and as a code was shown twice, the winner's tokens end too."""
    fill(database)
    one = Caller(manager(database), Log())
    location = one.code()

    answers = at_once(database, lambda node: node.redeem(location))

    won = [body for status, body in answers if status == 200]
    assert 1 == len(won)
    assert [(400, "invalid_grant")] * 99 == [(status, body["error"]) for status, body in answers if status != 200]
    assert not one.active(won[0]["access_token"])
    assert 400 == one.token("refresh_token", client="web", refresh_token=won[0]["refresh_token"]).status_code


def test_of_many_who_show_a_refresh_token_one_wins(database):
    """The others are refused, and the family ends: which of them is the thief nobody knows."""
    fill(database)
    one = Caller(manager(database), Log())
    first = one.family()

    answers = at_once(
        database, lambda node: node.token("refresh_token", client="web", refresh_token=first["refresh_token"])
    )

    won = [body for status, body in answers if status == 200]
    assert 1 == len(won)
    assert [(400, "invalid_grant")] * 99 == [(status, body["error"]) for status, body in answers if status != 200]
    assert not any(map(one.active, (first["access_token"], won[0]["access_token"], won[0]["refresh_token"])))


def test_many_clients_get_tokens_at_once(database):
    """Nobody waits for another, and every token is another."""
    fill(database)

    answers = at_once(database, lambda node: node.token(scope="read"))

    assert [200] * MANY == [status for status, _ in answers]
    assert MANY == len({body["access_token"] for _, body in answers})
