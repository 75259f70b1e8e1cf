"""Which addresses may be connected to, in whatever form they are written."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.allowed_upstreams import ANYWHERE, LINK_LOCAL, METADATA, AllowedUpstreams, meanings, read_address
from twgw.faults import SettingsError
from twgw.model import Target, Upstream

METADATA_V4 = IPv4Address("169.254.169.254")
OWN = AllowedUpstreams(own=(("", 8080), ("127.0.0.1", 8081), ("::1", 8082), ("::", 8083)))


def rule(*networks):
    return AllowedUpstreams(tuple(map(ip_network, networks)))


def refused(address, allowed=ANYWHERE, port=80, local=()):
    return allowed.refusal(ip_address(address), port, lambda each: each in local)


def wrapped(inner):
    """Every form of IPv6 address that leads to an IPv4 address."""
    number = int(inner)
    prefixes = {
        "mapped": 0xFFFF << 32, "compatible": 0, "nat64": 0x64FF9B << 96, "local nat64 /96": 0x64FF9B0001 << 80,
        "isatap": 0xFD00 << 112 | 0x5EFE << 32, "isatap, global": 0xFD00 << 112 | 0x2005EFE << 32,
    }  # fmt: skip
    found = {name: IPv6Address(prefix | number) for name, prefix in prefixes.items()}
    local = 0x64FF9B0001 << 80
    found["local nat64 /48"] = IPv6Address(local | (number >> 16) << 64 | (number & 0xFFFF) << 40)
    found["local nat64 /56"] = IPv6Address(local | (number >> 24) << 64 | (number & 0xFFFFFF) << 32)
    found["local nat64 /64"] = IPv6Address(local | number << 24)
    found["6to4"] = IPv6Address(0x2002 << 112 | number << 80)
    found["teredo"] = IPv6Address(0x20010000 << 96 | 0x01010101 << 64 | (number ^ 0xFFFFFFFF))
    found["teredo server"] = IPv6Address(0x20010000 << 96 | number << 64 | (0x01010101 ^ 0xFFFFFFFF))
    return found


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376", "169.254.43518",
        "169.16689662", "0xa9.254.0251.0xfe", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "169.254.169.254.",
        "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::]", "[fe80::a9fe:a9fe%eth0]",
    ],
)  # fmt: skip
def test_no_way_of_writing_hides_the_metadata_of_a_cloud(host):
    """Decimal, octal, hexadecimal, with fewer parts, wrapped in IPv6, with a zone: refused when it is written."""
    (fault,) = AllowedUpstreams().faults(Upstream((Target("http://ok.test"), Target(f"http://{host}/latest"))))

    assert "targets[1].url" == fault.path
    assert "is link-local; name it in [gateway] allowed_upstreams" in fault.text


@pytest.mark.parametrize("name", sorted(wrapped(METADATA_V4)))
def test_no_wrapping_hides_it_from_a_connection(name):
    """Whatever a name resolves to, the address inside is judged."""
    assert "169.254.169.254 is link-local" in refused(wrapped(METADATA_V4)[name])


@given(st.ip_addresses(v=4) | st.ip_addresses(v=4, network="169.254.0.0/16") | st.just(IPv4Address("100.100.100.200")))
def test_wrapping_changes_nothing(inner):
    """What tells secrets is refused in every form; a form with one meaning has exactly that one."""
    forms = wrapped(inner)
    if any(inner in network for network in (*LINK_LOCAL, *METADATA)):
        assert all(refused(form) for form in forms.values())
    for name in ("mapped", "nat64", "6to4"):
        assert (inner,) == meanings(forms[name])
        assert refused(inner) == refused(forms[name])


@given(st.ip_addresses(v=4))
def test_every_form_of_a_resolver_is_read(address):
    """As a number in any base, and in one to four parts."""
    number = int(address)
    forms = [
        str(number), hex(number), f"0{number:o}", str(address), f"{number >> 24}.{number & 0xFFFFFF}",
        f"{number >> 24}.{number >> 16 & 255}.{number & 0xFFFF}", ".".join(f"{byte:#x}" for byte in address.packed),
    ]  # fmt: skip

    assert {address} == {read_address(form) for form in forms}


@pytest.mark.parametrize(
    "host", ["example.com", "1.2.3.4.5", "256.1.1.1.1", "0xzz", "face.test", "1e3", "", "4294967296"]
)
def test_a_name_is_no_address(host):
    """It is judged when it is known what it means."""
    assert read_address(host) is None


@pytest.mark.parametrize("network", [*LINK_LOCAL, *METADATA])
def test_what_tells_secrets_is_opened_by_its_own_name_alone(network):
    """Neither by default nor by a network around it, but by the address, or a network of addresses of its kind."""
    address = network[-1]
    everything = ("0.0.0.0/0", "::/0")

    assert refused(address)
    assert refused(address, rule(*everything))
    assert refused(address, rule(f"{address}")) == ""
    assert refused(address, rule(*everything, str(network))) == ""


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "10.0.0.5", "127.0.0.1", "192.168.1.1", "2001:4860::1", "fd00::1", "::1", "64:ff9b::808:808"]
)
def test_by_default_everything_else_is_open(address):
    """Private networks and this machine too: that is where upstreams are."""
    assert refused(address) == ""


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:0.0.0.0"]
)
def test_some_addresses_are_nobodys(address):
    """Some of them would lead to this machine itself; none of them can be opened."""
    assert refused(address).endswith("is not the address of a server")
    assert refused(address, rule("0.0.0.0/0", "::/0", address))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("64:ff9b::10.1.2.3", True), ("11.0.0.1", False),
        ("2001:db8::1", True), ("2001:db9::1", False), ("127.0.0.1", False),
    ],
)  # fmt: skip
def test_a_list_opens_what_is_on_it(address, allowed):
    """And nothing else."""
    reason = refused(address, rule("10.0.0.0/8", "2001:db8::/32"))

    assert allowed == (reason == "")
    assert allowed or "is outside of [gateway] allowed_upstreams" in reason


@pytest.mark.parametrize(
    ("address", "port", "own"),
    [
        ("127.0.0.1", 8080, True), ("127.9.9.9", 8080, True), ("::1", 8080, True), ("::ffff:127.0.0.1", 8080, True),
        ("10.0.0.7", 8080, True), ("10.0.0.8", 8080, False), ("127.0.0.1", 8081, True), ("127.0.0.2", 8081, False),
        ("10.0.0.7", 8081, False), ("::1", 8082, True), ("127.0.0.1", 8082, False), ("127.0.0.1", 8083, True),
        ("127.0.0.1", 8084, False),
    ],
)  # fmt: skip
def test_the_gateway_does_not_call_itself(address, port, own):
    """Neither traffic nor admin: by any address of this machine that the listener has."""
    assert own == ("is a listener of this gateway" in refused(address, OWN, port, local=("10.0.0.7",)))


def test_a_name_is_judged_by_what_it_means_now():
    """Where it can be asked for; the fault says what it means, and a name that is unknown now is none yet."""
    upstream = Upstream((Target("https://inside.test:8443/x"), Target("http://unknown.test")))
    names = {"inside.test": ["8.8.8.8", "169.254.169.254"]}
    (fault,) = AllowedUpstreams().faults(upstream, lambda name: names.get(name, ()))

    assert "targets[0].url" == fault.path
    assert fault.text.startswith("inside.test is 169.254.169.254: 169.254.169.254 is link-local")
    assert [] == list(AllowedUpstreams().faults(upstream))


def test_the_port_of_a_url_may_be_left_out():
    """It is that of the scheme; echo: has neither host nor port."""
    allowed = AllowedUpstreams(own=(("", 443),))

    assert [1] == [int(fault.path[8]) for fault in allowed.faults(
        Upstream((Target("http://127.0.0.1"), Target("https://127.0.0.1"), Target("echo:")))
    )]  # fmt: skip
    with pytest.raises(SettingsError, match="targets"):
        allowed.check(Upstream((Target("https://127.0.0.1"),)))
