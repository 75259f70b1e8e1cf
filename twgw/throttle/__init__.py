"""Counting requests against limits.

``limiter.py`` knows the algorithms (pure), ``local.py`` counts in this process, ``fields.py`` tells clients.
"""
