"""Which host a setting names, decided from how it is written: no name is looked up."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

HERE = "localhost"
_NAMES = (HERE, "ip6-localhost", "ip6-loopback")
_SHORT = re.compile(r"(\d+)\.(?:(\d+)\.)?(\d+)")  # 127.1 and 127.0.1, as resolvers read them


def canonical(host: str) -> str:
    """Return the one spelling for all of a host: "localhost" for 127.0.0.1, ::1 and their names."""
    name = host.lower().rstrip(".")
    address = _address(name)
    if address is None:
        return HERE if name in _NAMES or name.endswith(f".{HERE}") else name
    usual = address.is_unspecified or str(address) in ("127.0.0.1", "::1")
    return HERE if usual else str(address)


def is_here(host: str) -> bool:
    """Return whether a host, or all of a network such as 127.0.0.0/8, is this one."""
    if "/" in host:
        return ip_network(host).is_loopback
    name = canonical(host)
    address = _address(name)
    return name == HERE or (address is not None and address.is_loopback)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    if short := _SHORT.fullmatch(name):
        name = f"{short[1]}.{short[2] or 0}.0.{short[3]}"
    try:
        found = ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
