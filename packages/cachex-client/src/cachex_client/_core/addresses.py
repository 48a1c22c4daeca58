"""Addresses that servers announce: read, checked, remapped, and allowed or not."""

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

import attrs

from cachex_client.errors import BadAddress, ConfigurationError, RemapFailed


@attrs.frozen(slots=True, order=True, cache_hash=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Remap: TypeAlias = Callable[[str, int], tuple[str, int]]
"""Turns the address that a server announces into the one that reaches it (NAT, tunnels)."""

NO_HOST = (None, "", "?")
"""What stands for a host in replies of servers that do not know their own."""

MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading a reply raises that is of another shape than it should be."""

_LONGEST = 253  # characters of a name
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}", re.ASCII)  # an interface, behind the % of an address
_NAME = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_PORTS = range(65536)


class AllowedHosts:
    """
    The hosts that a client may connect to because a server named them.

    `allowed` are names, as in Django's ALLOWED_HOSTS: "cache.example.com", or ".example.com" for
    that domain and all below it; and addresses and networks, such as "10.0.0.0/8" or "fd00::/8".
    A host that is announced by name has to be allowed by name, one that is announced by its IP
    address by address. `configured` are hosts that need no such permission. Raises
    ConfigurationError for anything else.
    """

    def __init__(self, allowed: Sequence[str], configured: Collection[str] = ()) -> None:
        self.allowed = tuple(allowed)
        self._configured = frozenset(map(_plain, configured))
        self._names: set[str] = set()
        self._domains: list[str] = []
        self._networks: list[IPv4Network | IPv6Network] = []
        for one in self.allowed:
            self._allow(one)

    def __repr__(self) -> str:
        return f"AllowedHosts({list(self.allowed)!r})"

    def __contains__(self, host: str) -> bool:
        if _plain(host) in self._configured:
            return True
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            name = _plain(host)
            return name in self._names or any(name.endswith(one) for one in self._domains)
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in one for one in self._networks)

    def _allow(self, one: str) -> None:
        name = _plain(one) if isinstance(one, str) else ""
        try:
            self._networks.append(_network(name))
            return
        except ValueError:
            pass
        if _NAME.fullmatch(name.removeprefix(".")) is None or not re.search("[a-z]", name):
            raise ConfigurationError(
                "allowed hosts are names, domains that begin with a dot, IP addresses, and"
                f" networks without host bits; not {one!r}"
            )
        self._names.add(name.removeprefix("."))
        if name.startswith("."):
            self._domains.append(name)


@attrs.frozen(slots=True)
class AddressRules:
    """
    What becomes of an address that a server announces.

    It has to be one at all; `remap` turns it into the one that reaches the server; and that has to
    be on one of the `allowed` hosts, if there are such. Checked before anything is sent there.
    """

    remap: Remap | None = None
    allowed: AllowedHosts | None = None

    @classmethod
    def of(
        cls, remap: Remap | None, allowed: Sequence[str] | None, configured: Collection[str]
    ) -> "AddressRules":
        """Make the rules of a configuration, whose own hosts are always allowed."""
        return cls(remap, None if allowed is None else AllowedHosts(allowed, configured))

    def read(
        self, host: Any, port: Any, asked: Address, known: Collection[Address] = ()
    ) -> Address:
        """
        Return the address that a reply of `asked` names; BadAddress if it is none.

        Where a host is missing it is that of the only node that is `known` to have the port, or
        else the host that was asked, and port 0 is the port that was asked.
        """
        text = as_text(host)
        try:
            number = _port_of(port)
            if text not in NO_HOST:
                if not isinstance(text, str):
                    raise ValueError("a host is text")
                return self._reached(Address(_host_of(text), number), asked)
        except ValueError as error:
            raise BadAddress(asked, f"{str(text)[:80]}:{str(port)[:20]}", error) from None
        found = Address(asked.host, number or asked.port)
        if self.remap is not None:
            return self._reached(found, asked)
        same = [one for one in known if one.port == found.port]
        return same[0] if len(same) == 1 else found

    def _reached(self, announced: Address, asked: Address) -> Address:
        found = announced if self.remap is None else _remapped(self.remap, announced)
        if self.allowed is not None and found.host not in self.allowed:
            raise BadAddress(asked, found, "its host is not among the allowed hosts")
        return found


def as_text(told: Any) -> Any:
    """Return text for bytes, escaped where it is no UTF-8, and all else as it is."""
    if not isinstance(told, bytes):
        return told
    try:
        return told.decode()
    except UnicodeDecodeError:
        return told.decode("ascii", "backslashreplace")


def whole_number(told: Any) -> int:
    """Read a whole number that a reply has as such or as digits; ValueError if it has none."""
    if type(told) is int:
        return told
    text = as_text(told)
    if not isinstance(text, str) or re.fullmatch("-?[0-9]{1,20}", text, re.ASCII) is None:
        raise ValueError(f"{str(text)[:40]!r} in place of a whole number")
    return int(text)


def _port_of(told: Any) -> int:
    port = whole_number(told)
    if port not in _PORTS:
        raise ValueError(f"{port} is no port")
    return port


def _host_of(text: str) -> str:
    if len(text) > _LONGEST:  # nor is it kept
        raise ValueError("that is no host")
    return _checked_host(text)


@lru_cache(4096)
def _checked_host(text: str) -> str:
    address, percent, scope = text.partition("%")
    try:
        ip_address(address)
        good = not percent or (":" in address and _SCOPE.fullmatch(scope) is not None)
    except ValueError:
        good = _NAME.fullmatch(text) is not None
    if not good:
        raise ValueError("that is no host")
    return text


def _plain(host: str) -> str:
    """Return a name as names are compared."""
    return host.lower().rstrip(".")


def _network(text: str) -> IPv4Network | IPv6Network:
    """Read a network; one of IPv4 addresses that are written as IPv6 ones is theirs."""
    found = ip_network(text)
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is None or found.prefixlen < 96:
        return found
    return IPv4Network((int(mapped), found.prefixlen - 96))


def _remapped(remap: Remap, announced: Address) -> Address:
    try:
        host, port = remap(announced.host, announced.port)
        if not isinstance(host, str):
            raise ValueError(f"it returned {(host, port)!r:.80}")
        return Address(_host_of(host), _port_of(port))
    except Exception as error:
        raise RemapFailed(announced, error) from error
