"""Tests of twgw.keymanager.metadata."""

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from twgw.keymanager.metadata import metadata


@pytest.mark.parametrize("issuer", ["https://login.test", "https://login.test/auth"])
def test_the_document_is_that_of_the_rfc(issuer):
    """Authlib finds nothing wrong with it, and every endpoint is below the issuer."""
    document = metadata(issuer, password_grant=False)

    AuthorizationServerMetadata(document).validate()
    assert issuer == document["issuer"]
    assert all(document[name].startswith(issuer + "/oauth2/") for name in document if name.endswith("_endpoint"))


def test_what_is_switched_off_is_not_promised():
    """The password grant, implicit answers, and challenges without a hash."""
    document = metadata("https://login.test", password_grant=False)

    assert ["client_credentials", "authorization_code", "refresh_token"] == document["grant_types_supported"]
    assert "password" in metadata("https://login.test", password_grant=True)["grant_types_supported"]
    assert (["code"], ["S256"]) == (document["response_types_supported"], document["code_challenge_methods_supported"])
