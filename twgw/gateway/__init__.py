"""The data plane.  The path of a request through these files, in order:

``service.py`` listens; ``transport.py`` reads and writes; ``edge.py`` cuts bytes into exchanges with ``http1.py`` and
``chunked.py``; ``deployment.py`` finds the plan by ``routing.py``; ``pipeline.py`` lets every policy decide;
``caller.py`` chooses a server of ``fleet.py`` with ``balancer.py`` and ``health.py``, and ``upstream.py`` asks it
what ``forwarding.py`` wrote; ``relay.py`` moves bodies; ``problems.py`` says no.  ``deadlines.py`` keeps the time of
all connections, ``running.py`` the coroutines.  ``redeploy.py`` puts a changed state in force; ``lookup.py`` knows
callers.
"""
