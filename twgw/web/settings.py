"""The section [control] of the configuration.  Pure."""

from attrs import frozen, validators

from twgw.listen import Listen
from twgw.settings import Network, setting


@frozen
class Control:
    """The listener for applications and people: OAuth2, publisher, store. Where a file is the state there is none."""

    listen: Listen | None = setting(
        "Where to listen: tcp:PORT, on 127.0.0.1 unless :interface=ADDRESS names another. For TLS put a proxy before "
        "it. Empty: nowhere.",
        default=Listen("tcp", 8082, "127.0.0.1"),
    )
    public_url: str = setting(
        "How it is called from outside, such as https://login.example.com. It is the issuer of tokens. Empty: plain "
        "http at the address of listen, which OAuth2 clients accept on their own machine alone.",
        default="",
        validator=validators.matches_re(r"(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*)?"),
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "Networks of the proxies before it. Only what they say of the client's address is believed.", default=()
    )
