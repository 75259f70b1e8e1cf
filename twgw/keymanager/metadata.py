"""The metadata of the authorization server (RFC 8414).  Pure; served by ``endpoints.py``."""

from typing import Any


def metadata(issuer: str, *, password_grant: bool) -> dict[str, Any]:
    """The document, for clients that find their way by it."""
    root = issuer.rstrip("/")
    methods = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{root}/oauth2/authorize",
        "token_endpoint": f"{root}/oauth2/token",
        "jwks_uri": f"{root}/oauth2/jwks",
        "revocation_endpoint": f"{root}/oauth2/revoke",
        "introspection_endpoint": f"{root}/oauth2/introspect",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "client_credentials", "authorization_code", "refresh_token", *(["password"] if password_grant else [])
        ],
        "token_endpoint_auth_methods_supported": [*methods, "none"],
        "revocation_endpoint_auth_methods_supported": [*methods, "none"],
        "introspection_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }  # fmt: skip
