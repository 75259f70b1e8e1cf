"""Users and groups that are kept elsewhere: what is asked of an LDAP server, in which order, and what it means.

Pure: the connection to a server comes as an argument (``ldap.py`` has the real one), and so does time.  ``login.py`` is
one question to one server, ``stores.py`` one question to all of them.
"""
