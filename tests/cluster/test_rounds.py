"""A process with the database looks after its session."""

from types import SimpleNamespace

from twisted.internet.task import Clock

from twgw.cluster.rounds import EVERY, Rounds


def test_it_looks_each_second_until_the_node_stops():
    """Then the session ends."""
    seen, clock = [], Clock()

    async def stop():
        seen.append("stop")

    member = SimpleNamespace(look=lambda: seen.append("look"), stop=stop)
    rounds = Rounds(member, clock, lambda: seen.append("also"))
    rounds.startService()
    for _ in range(2):
        clock.advance(EVERY)

    assert ["look", "also"] * 3 == seen

    rounds.stopService()
    clock.advance(EVERY)

    assert ["stop"] == seen[6:]
