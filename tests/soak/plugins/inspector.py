"""What the process holds, as an answer: for the soak, which watches a gateway for what it does not let go."""

import gc
import json
import sys
from collections import Counter
from typing import Any

from attrs import frozen
from twisted.internet import reactor

from twgw import hookimpl
from twgw.policy import Exchange, Response, setting


@frozen
class Settings:
    """How much to say."""

    kinds: int = setting("How many kinds of objects are told, the most frequent first.", default=400)


@hookimpl
def twgw_forward(exchange: Exchange, settings: Settings) -> Response:
    """Timers, blocks of memory, objects by kind; with ``?collect`` also how many objects only the collector found."""
    found: dict[str, Any] = {"unreachable": gc.collect()} if exchange.request.query == "collect" else {}
    objects = gc.get_objects()
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
    found["timers"] = len(reactor.getDelayedCalls())
    found["blocks"] = sys.getallocatedblocks()
    found["objects"] = len(objects)
    found["collected"] = sum(each["collected"] for each in gc.get_stats())
    found["kinds"] = dict(kinds.most_common(settings.kinds))
    return Response(200, body=json.dumps(found).encode())
