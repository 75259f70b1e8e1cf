"""Role: the key manager, an OAuth2 server on the control listener.

| path | what | RFC |
|---|---|---|
| ``/oauth2/token``, ``/token`` | tokens, for one of the grants that there are | 6749, 7636 |
| ``/oauth2/revoke``, ``/revoke`` | a token, or all that came of one login, is void | 7009 |
| ``/oauth2/introspect`` | what a token says | 7662 |
| ``/oauth2/authorize`` | a person lets an application act for them | 6749, 9207 |
| ``/oauth2/jwks`` | the keys that verify JWTs | 7517 |
| ``/.well-known/oauth-authorization-server`` | all of this, for machines | 8414 |

``client.py``, ``tokens.py``, ``jwks.py`` and ``scopes.py`` decide (pure), ``server.py`` gives Authlib our
storage, ``endpoints.py`` and ``pages.py`` answer; the rules of RFC 9700 hold in all of them.
"""
