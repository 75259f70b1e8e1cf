"""Makes ``twistd twgw`` exist: names the composition root and does nothing else.  Read by Twisted's plugin system."""

from twisted.application.service import ServiceMaker

twgw = ServiceMaker(
    name="twgw",
    module="twgw.tap",
    description="An API gateway with policies in Python.",
    tapname="twgw",
)
