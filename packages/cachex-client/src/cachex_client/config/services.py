"""What a Sentinel's configuration says: the service, its Sentinels, and who may be written to."""

from collections.abc import Mapping
from typing import Any

import attrs

from cachex_client.config.given import Options, find, refuse
from cachex_client.config.locations import Server
from cachex_pool import ConfigurationError, Endpoint, Tls


@attrs.frozen(kw_only=True)
class Service:
    """
    A service that Sentinels watch.

    `read_only` is set if LOCATION asks for replicas only; `ask_within` are the seconds in which
    a Sentinel has to answer, None for those of SOCKET_CONNECT_TIMEOUT.
    """

    name: str
    sentinels: tuple[Endpoint, ...]
    read_only: bool = False
    has_replicas: bool = False
    ask_within: float | None = None

    def __str__(self) -> str:
        asked = ", ".join(f"{one.host}:{one.port}" for one in self.sentinels)
        return f"{self.name} (Sentinels {asked})"


def read_service(servers: list[Server], topology: dict[str, Any], options: Options) -> Service:
    """Make the service of the URLs and of SENTINELS and SENTINEL_KWARGS."""
    addresses = topology.get("sentinels")
    place = servers[0].where.partition("['LOCATION']")[0] + "['OPTIONS']"
    if not addresses:
        refuse(place, "there are no SENTINELS; expected [('sentinel-1', 26379), ...]")
    masters = [server for server in servers if server.is_master]
    if len(masters) > 1:
        expected = "expected ?is_master=0 in all URLs of a service but one"
        refuse(masters[1].where, f"{expected}: reads go to its replicas")
    login: dict[str, Any] = {}
    ask_within = None
    if given := topology.get("sentinel_kwargs"):
        login, ask_within = _login(given, options.where("SENTINEL_KWARGS"))
    return Service(
        name=servers[0].endpoint.host,
        sentinels=tuple(Endpoint(host=host, port=port, **login) for host, port in addresses),
        read_only=not masters,
        has_replicas=len(masters) < len(servers),
        ask_within=ask_within,
    )


_OF_SENTINELS = ("endpoint.", "tls.", "client.timeout", "pool.connect_timeout", "pool.keepalive")


def _said(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Leave out what is None, the default; but that of SSL_CERT_REQS says not to check."""
    names = {name: find(name, f"{where}[{name!r}]").name for name in given}
    kept = ("SSL_CERT_REQS",)
    return {name: one for name, one in given.items() if one is not None or names[name] in kept}


def _login(given: Mapping[str, Any], where: str) -> tuple[dict[str, Any], float | None]:
    """Read SENTINEL_KWARGS: fields of an Endpoint, and the seconds a Sentinel may take."""
    options = Options()
    options.take_all(_said(given, where), where)
    for one in options.given.values():
        goes = one.option.goes
        if (goes and not goes.startswith(_OF_SENTINELS)) or goes == "endpoint.db":
            refuse(one.where, "does not concern Sentinels; expected in OPTIONS itself")
    groups = options.grouped()
    login = groups["endpoint"]
    if "SSL" in options.given and options.given["SSL"].value:
        login["tls"] = tls = Tls(**groups["tls"])
        try:
            tls.ssl_context()
        except ConfigurationError as error:
            refuse(where, str(error))
    elif wrong := options.about_tls():
        refuse(where, f"{wrong} needs SSL=True beside it")
    within = groups["client"].get("timeout") or groups["pool"].get("connect_timeout")
    return login, within
