"""LOCATION: which servers there are, and how to be let in."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from cachex_client.config import readers
from cachex_client.config.given import Given, Options, find, is_like, kind_of, read, refuse
from cachex_client.config.topologies import REPLICATED, SENTINEL, Topology
from cachex_pool import ConfigurationError, Endpoint, Tls, parse_url
from cachex_pool.checks import quoted


@attrs.frozen
class Server:
    """
    One URL, read: `set_by_url` are the fields of the endpoint that OPTIONS cannot change.

    `is_master` is what the URL of a Sentinel's service says.
    """

    endpoint: Endpoint
    set_by_url: frozenset[str]
    where: str
    is_master: bool = True


_OPTIONS_ONLY = ("cache.", "endpoint.credentials", "topology.")
"""What a URL must not say: it is often text from elsewhere; this is code, or decides on trust."""

_UNSAID = {"SSL": True, "SSL_CERT_REQS": "required", "SSL_CHECK_HOSTNAME": True}
"""What OPTIONS asks for if it says something of TLS, and not of this."""
_STRICTNESS: Mapping[str, Callable[[Any], int]] = {
    "SSL_CERT_REQS": ("none", "optional", "required").index,
    "SSL_CHECK_HOSTNAME": bool,
}


def parse(location: Any, where: str, options: Options, topology: Topology) -> list[Server]:
    """Read the URLs of a LOCATION; the options in their queries go to `options`."""
    seen: dict[str, Given] = {}
    said = {name: one for name, one in options.given.items() if _is_said_of_tls(one)}
    servers = []
    for url, place in _urls(location, where):
        if topology is SENTINEL:
            url = _PLACEHOLDER.sub("", url)
        try:
            endpoint, query = parse_url(url)
        except ConfigurationError as error:
            refuse(place, str(error))
        if topology is not REPLICATED and endpoint.path is not None:
            refuse(place, f"expected redis:// or rediss://, not a socket: {topology.its_servers}")
        is_master = True
        if topology is SENTINEL:
            endpoint = attrs.evolve(endpoint, host=_service(url, place), port=0)
            is_master = _is_master(query, place)
        for name, value in query.items():
            given = _from_query(name, value, place)
            if wrong := _contradicts(given, said):
                refuse(given.where, wrong)
            earlier = seen.setdefault(given.option.name, given)
            if earlier.value != given.value:
                refuse(given.where, f"contradicts {earlier.where}: it holds for all servers")
            options.overrule(given)
        servers.append(Server(endpoint, _set_by_url(endpoint, url), place, is_master))
    return servers


def _from_query(name: str, value: str, place: str) -> Given:
    """Read an option of a query, unless only OPTIONS may say it; nothing is imported for it."""
    # What does not look like a name of an option may be a secret.
    where = f"{place}, ?{name}= of the URL" if is_like(name) else f"{place}, an option of the URL"
    option = find(name, where)
    path = option.goes == "client.read_from" and "." in value
    if option.reader is readers.MAPPING or option.goes.startswith(_OPTIONS_ONLY) or path:
        refuse(where, f"expected in OPTIONS only, as {option.name!r}")
    return read(name, value, where)


def _is_said_of_tls(given: Given) -> bool:
    name, goes = given.option.name, given.option.goes
    return (name == "SSL" or goes.startswith("tls.")) and not given.is_none


def _contradicts(given: Given, said: Mapping[str, Given]) -> str:
    """Say why a URL may not say this of TLS: it is neither what OPTIONS says, nor stricter."""
    name = given.option.name
    if not said or not _is_said_of_tls(given):
        return ""
    if "SSL_CONTEXT" in said and name != "SSL":
        return f"{said['SSL_CONTEXT'].where} decides on TLS"
    asked = said[name].value if name in said else _UNSAID.get(name)
    rank = _STRICTNESS.get(name)
    if given.value == asked or (rank is not None and rank(given.value) > rank(asked)):
        return ""
    first = next(iter(said.values())).where
    return f"OPTIONS decides on TLS, as {first} says something of it: expected there only"


def one_way_in(made: tuple[Endpoint, ...], servers: list[Server], *, hosts: bool) -> None:
    """Refuse URLs that differ in how to log in, or, if `hosts` count, in where to."""
    first = made[0]
    for endpoint, server in zip(made, servers, strict=True):
        same = endpoint if hosts else attrs.evolve(endpoint, host=first.host, port=first.port)
        if same != first:
            names = (field.name for field in attrs.fields(Endpoint))
            differing = [name for name in names if getattr(same, name) != getattr(first, name)]
            if "host" in differing:
                expected = "expected one service; another one is a cache of its own"
                refuse(server.where, f"names another service than {servers[0].where}: {expected}")
            wrong = ", ".join(differing)
            refuse(server.where, f"has another {wrong} than {servers[0].where}: it holds for all")


def endpoints(
    servers: list[Server], shared: dict[str, Any], tls_options: dict[str, Any], options: Options
) -> tuple[Endpoint, ...]:
    """Fill in what OPTIONS says about all servers."""
    tls = Tls(**tls_options)  # one value has one SSLContext
    made = []
    for server in servers:
        changes = {name: value for name, value in shared.items() if name not in server.set_by_url}
        if server.endpoint.tls is not None:
            changes["tls"] = tls
        elif wrong := options.about_tls():
            refuse(server.where, f"{wrong} needs a rediss:// or valkeys:// URL")
        made.append(attrs.evolve(server.endpoint, **changes))
    if any(endpoint.tls is not None for endpoint in made):
        try:
            tls.ssl_context()
        except ConfigurationError as error:
            refuse(servers[0].where, str(error))
    return tuple(made)


_PLACEHOLDER = re.compile(r"(?<=[^/])/db(?=$|\?)")
"""The database of `redis://service_name/db`, as that is printed everywhere: not a number, so 0."""

_SERVICE = "expected the name of the service, as in 'redis://service_name/0'"


def _service(url: str, where: str) -> str:
    """Return the host of a URL in its own letters: Sentinels tell capitals from small ones."""
    host, colon, _ = urlsplit(url).netloc.rpartition("@")[2].partition(":")
    if colon:
        refuse(where, f"{_SERVICE}, without a port: the Sentinels know it")
    if not host:
        refuse(where, _SERVICE)
    return unquote(host)


def _is_master(query: dict[str, str], where: str) -> bool:
    """Take `is_master` out of the query of a URL."""
    for name in [name for name in query if name.lower() == "is_master"]:
        value = query.pop(name)
        try:
            return bool(readers.FLAG.convert(value))
        except ValueError:
            refuse(f"{where}, ?{name}= of the URL", f"expected 1 or 0; got {quoted(value)}")
    return True


def _urls(location: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yield each URL with its place."""
    urls = location
    if isinstance(urls, str):
        urls = [part.strip() for part in re.split("[,;]", urls) if part.strip()]
    if not isinstance(urls, list | tuple) or not urls:
        expected = "expected a URL such as 'redis://127.0.0.1:6379/1', or a list of them"
        refuse(where, f"{expected}; got {f'a {kind_of(urls)}' if urls else 'nothing'}")
    for number, url in enumerate(urls):
        place = where if len(urls) == 1 else f"{where}[{number}]"
        if not isinstance(url, str):
            refuse(place, f"expected a URL, got a {kind_of(url)}")
        yield url, place


def _set_by_url(endpoint: Endpoint, url: str) -> frozenset[str]:
    names = {
        field.name
        for field in attrs.fields(Endpoint)
        if getattr(endpoint, field.name) != field.default
    }
    if endpoint.path is None and urlsplit(url).path.strip("/"):
        names.add("db")  # an explicit /0
    if "password" in names:
        names |= {"username", "credentials"}  # half of a login is of no use
    return frozenset(names)
