"""What the views of these tests are about."""

from attrs import field, frozen

from twgw.model import Limit, says


@frozen
class Tier:
    """Some limits with a name."""

    name: str = field(metadata=says("Its name."))
    limits: tuple[Limit, ...] = field(default=(), metadata=says("The limits."))
