"""The section [keymanager] of the configuration.  Pure."""

from attrs import frozen, validators

from twgw.model import not_negative, positive
from twgw.settings import setting

YEAR = 366 * 86400.0


@frozen
class KeyManagerSettings:
    """Tokens for applications (OAuth2), on the control listener. In seconds; a client may have times of its own."""

    access_seconds: float = setting(
        "How long an access token lasts.", default=3600, validator=[positive, validators.le(YEAR)]
    )
    refresh_seconds: float = setting(
        "How long a refresh token lasts that is not used.", default=86400, validator=[positive, validators.le(YEAR)]
    )
    password_grant: bool = setting(
        "Whether clients may send the name and password of a user, as those of WSO2 API Manager 1.x do. "
        "They then know it: leave it off where you can.",
        default=False,
    )
    rotate_days: float = setting(
        "A new key for signing is made when the newest is so old. 0: only by `twgw db rotate signing`.",
        default=90,
        validator=not_negative,
    )
    client_rate: int = setting(
        "Requests in a minute that a client may send to the OAuth2 endpoints.", default=6000, validator=positive
    )
    address_rate: int = setting(
        "Requests in a minute that an address may send there.", default=6000, validator=positive
    )
