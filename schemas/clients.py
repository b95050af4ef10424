"""Who a client is that has not logged in."""

from __future__ import annotations

import ipaddress


def network(address: str) -> str:
    """Who shares one part of a server: an address; this machine, or a network of IPv6, is one.

    Whoever has one of those addresses can use them all.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback:
        return "this machine"
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), False))
