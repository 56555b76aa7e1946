"""Which addresses of the network may be reached on a tenant's behalf: those that anybody on the internet may reach."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
_TUNNELS = (IPv6Network("64:ff9b:1::/48"), IPv6Network("2001::/32"), IPv6Network("2002::/16"), IPv6Network("::/96"))
"""They lead to IPv4 addresses in ways that nobody needs today."""


def public(text: str) -> bool:
    """False for loopback, private, link-local, metadata, multicast and reserved addresses, also inside of IPv6 ones."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _alone(address.ipv4_mapped)
        if address in _NAT64:
            return _alone(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in tunnel for tunnel in _TUNNELS):
            return False
    return _alone(address)


def _alone(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
