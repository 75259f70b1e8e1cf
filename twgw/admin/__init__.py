"""The admin role: what operators and balancers ask a node.

``status.py`` says whether the node is ready and why not, ``endpoints.py`` answers ``/healthz``, ``/readyz`` and
``/metrics`` on the admin listener and, when there is one, on the status listener.
"""
