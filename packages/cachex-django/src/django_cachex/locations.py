"""LOCATION: which servers there are, and how to be let in."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import attrs

from cachex_pool import ConfigurationError, Endpoint, Tls, parse_url
from django_cachex import readers
from django_cachex.given import Given, Options, kind_of, read, refuse


@attrs.frozen
class Server:
    """One URL, read: `set_by_url` are the fields of the endpoint that OPTIONS cannot change."""

    endpoint: Endpoint
    set_by_url: frozenset[str]
    where: str


def parse(location: Any, where: str, options: Options) -> list[Server]:
    """Read the URLs of a LOCATION; the options in their queries go to `options`."""
    seen: dict[str, Given] = {}
    servers = []
    for url, place in _urls(location, where):
        try:
            endpoint, query = parse_url(url)
        except ConfigurationError as error:
            refuse(place, str(error))
        for name, value in query.items():
            given = read(name, value, f"{place}, ?{name}= of the URL")
            if given.option.reader is readers.MAPPING:
                refuse(given.where, "expected in OPTIONS only")
            earlier = seen.setdefault(given.option.name, given)
            if earlier.value != given.value:
                refuse(given.where, f"contradicts {earlier.where}: it holds for all servers")
            options.overrule(given)
        servers.append(Server(endpoint, _set_by_url(endpoint, url), place))
    return servers


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
