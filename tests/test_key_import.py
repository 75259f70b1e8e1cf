"""The keys of other gateways."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.credentials import Pepper, digest, digest_of_hash
from twgw.faults import InvalidFileError
from twgw.key_import import ForeignKey, read_keys

HASH = hashlib.sha256(b"key-of-shop").hexdigest()
KONG = """\
_format_version: "3.0"
consumers:
  - username: shop
    keyauth_credentials:
      - key: key-of-shop
        tags: [a]
      - key: another-key
  - custom_id: "17"
    keyauth_credentials: [{key: third-key}]
  - username: idle
"""


def faults(text, form="list"):
    with pytest.raises(InvalidFileError) as caught:
        read_keys(text, "keys", form)
    return list(caught.value.lines)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("list", "# ours\nshop,key-of-shop\n"),
        ("list", '\r\n"shop", key-of-shop\r\n'),
        ("sha256", f"shop,{HASH.upper()}"),
        ("sha256", f'shop,"{{""hash"":""{HASH}"",""algorithm"":""SHA-256""}}"'),
        ("kong", "consumers: [{username: shop, keyauth_credentials: [{key: key-of-shop}]}]"),
    ],
)
def test_every_form_says_the_same(form, text):
    """Whose key it is, and its hash; the key itself is not kept."""
    assert [ForeignKey("shop", HASH)] == read_keys(text, "keys", form)
    assert HASH not in repr(read_keys(text, "keys", form))


def test_a_file_of_kong_has_all_its_consumers():
    """By their name, or else by the id that somebody gave them."""
    assert ["shop", "shop", "17"] == [key.application for key in read_keys(KONG, "kong.yaml", "kong")]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("list", "", "keys: holds no key"),
        ("list", "shop", "keys:1: must be APPLICATION,KEY"),
        ("list", "shop,short", "keys:1: the key must be 8 to 512 printable ASCII characters without blanks"),
        ("list", "shop,with a blank", "keys:1: the key must be 8 to 512"),
        ("list", "shop,tw_live_something", "keys:1: the key starts as those of twgw do"),
        ("list", " ,key-of-shop", "keys:1: the application must be 1 to 100 printable characters"),
        ("list", "a,key-of-shop\n\nb,key-of-shop", "keys:3: is the same key as keys:1"),
        ("list", 'a,"key-of-shop', "keys:1: is not CSV"),
        ("sha256", "shop,key-of-shop", "keys:1: the hash must be a SHA-256 in 64 hex digits"),
        ("sha256", 'shop,"{""algorithm"":""MD5""}"', 'keys:1: the hash must be {"hash": …, "algorithm": "SHA-256"}'),
        ("kong", "services: []", "keys: has no consumers"),
        ("kong", "consumers: [{username: a, keyauth_credentials: [{key: '{vault://env/x}'}]}]",
         "keys:1: consumers[0].keyauth_credentials[0]: has no key in it"),
        ("kong", "consumers: [", "keys:2: not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_without_the_key(form, text, expected):
    """With the line of the file; what stands in the place of a key is in no message."""
    (fault,) = faults(text, form)

    assert fault.startswith(expected)
    assert "key-of-shop" not in fault


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40))
def test_a_key_and_its_hash_are_found_in_the_same_way(key):
    """What is stored of a foreign key is the same, whether the key or only its hash was there; and needs the pepper."""
    pepper, other = Pepper("v1", b"p" * 32), Pepper("v1", b"q" * 32)
    sha256 = hashlib.sha256(key.encode()).hexdigest()

    if not key.startswith("tw_"):
        assert digest(pepper, key) == digest_of_hash(pepper, sha256)
    assert digest(pepper, sha256) != digest_of_hash(pepper, sha256)
    assert digest(pepper, f"sha256:{sha256}") != digest_of_hash(pepper, sha256)
    assert digest(other, key) != digest(pepper, key)
