"""The control plane's ground floor: one WSGI application for each listener, in a thread pool of its own.

WSGI, because SQLAlchemy, Authlib, ldap3 and argon2 block, and may do so in a thread.  A role writes its views with
``view.py`` and nothing else; ``application.py`` puts the views of several roles together, ``login.py`` says who calls,
``permissions.py`` what they may, ``openapi.py`` shows all of it, and ``resource.py`` serves it from Twisted.
"""
