"""Which IP addresses are public."""

import ipaddress


def is_reachable(address: str) -> bool:
    """Say whether an IP address is one that a caller's URL may lead to: global, also where it wraps an IPv4 address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = _wrapped(ip)
        if wrapped is not None:
            return is_reachable(str(wrapped))
        if ip not in _GLOBAL_UNICAST or ip.scope_id is not None:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL if network.version == ip.version)


_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out. What `ipaddress` calls global lies elsewhere too: fec0::1, once site-local, or 64:ff9b:1::/48, in which
the IPv4 address stands where the network likes (RFC 8215)."""

_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's own host agent: whoever reaches it from inside a machine gets that machine's secrets
        "192.0.0.0/24",  # for protocols; one cloud's metadata service was at 192.0.0.192
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # for protocols; Teredo wraps an IPv4 address
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Networks that IANA's registries of special-purpose addresses have, and `ipaddress` calls global in some versions."""

_WRAPPING = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""Networks whose addresses hold an IPv4 address (mapped, compatible, translated, NAT64, 6to4), and how far from their end."""


def _wrapped(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to: `64:ff9b::7f00:1` is global to `ipaddress`, and is 127.0.0.1."""
    for network, shift in _WRAPPING:
        if ip in network:
            return ipaddress.IPv4Address(int(ip) >> shift & 0xFFFFFFFF)
    return None
