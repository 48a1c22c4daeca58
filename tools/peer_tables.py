#!/usr/bin/env python3
"""Write docs/migration/options.md: every option of other backends, and what it is here.

python3 dev.py python tools/peer_tables.py            write them
python3 dev.py python tools/peer_tables.py --check    write nothing; exit 1 if they differ
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

import pages
from cachex_client.config import peers
from cachex_client.config.foreign import REFUSED
from cachex_client.config.options import BY_NAME
from django_cachex.settings import PREFIXES
from django_cachex.valkey_settings import HEEDED
from django_cachex.valkey_settings import REFUSED as REFUSED_SETTINGS

PAGE = pages.ROOT / "docs/migration/options.md"
BEGIN = "<!-- tools/peer_tables.py writes from here -->"

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "django-redis": tuple(
        """
        CLIENT_CLASS CONNECTION_FACTORY CONNECTION_POOL_CLASS CONNECTION_POOL_KWARGS PARSER_CLASS
        REDIS_CLIENT_CLASS REDIS_CLIENT_KWARGS SERIALIZER PICKLE_VERSION COMPRESSOR USERNAME
        PASSWORD SOCKET_TIMEOUT SOCKET_CONNECT_TIMEOUT SENTINELS SENTINEL_KWARGS REPLICA_READ_ONLY
        IGNORE_EXCEPTIONS CLOSE_CONNECTION
        """.split()
    ),
    "django-valkey": tuple(
        """
        CLIENT_CLASS CONNECTION_FACTORY CONNECTION_POOL_CLASS CONNECTION_POOL_KWARGS PARSER_CLASS
        PARSER_CLS BASE_CLIENT_CLASS BASE_CLIENT_KWARGS SERIALIZER PICKLE_VERSION COMPRESSOR
        PASSWORD SOCKET_TIMEOUT SOCKET_CONNECT_TIMEOUT SENTINELS SENTINEL_KWARGS REPLICA_READ_ONLY
        IGNORE_EXCEPTIONS LOG_IGNORE_EXCEPTIONS CLOSE_CONNECTION MAX_ENTRIES CULL_FREQUENCY
        """.split()
    ),
    "Django's own, and redis-py's": tuple(
        """
        serializer pool_class parser_class db username password credential_provider client_name
        protocol max_connections timeout socket_timeout socket_connect_timeout socket_keepalive
        health_check_interval retry retry_on_timeout ssl ssl_ca_certs ssl_ca_path ssl_ca_data
        ssl_certfile ssl_keyfile ssl_password ssl_check_hostname ssl_cert_reqs ssl_min_version
        ssl_ciphers decode_responses max_entries cull_frequency retry_on_error
        socket_keepalive_options connection_class redis_connect_func host port path
        unix_socket_path connection_pool single_connection_client queue_class service_name
        sentinel_manager lib_name lib_version driver_info encoding encoding_errors parser
        command_packer legacy_responses socket_read_size socket_type event_dispatcher cache
        cache_config cache_factory himport_registry ssl_include_verify_flags
        ssl_exclude_verify_flags ssl_validate_ocsp ssl_validate_ocsp_stapled ssl_ocsp_context
        ssl_ocsp_expected_cert maint_notifications_config maint_notifications_pool_handler
        oss_cluster_maint_notifications_handler maintenance_state maintenance_notification_hash
        orig_host_address orig_socket_timeout orig_socket_connect_timeout
        """.split()
    ),
}
"""The options of other backends, whose they are first."""

FOR_ALL = tuple(option.setting for option in BY_NAME.values() if option.setting)
"""The ends of the names of settings that hold for all caches."""

SETTINGS: Mapping[str, str] = {
    **{
        f"{prefix}{end}": f"heeded where OPTIONS has no `{end}`; as `DJANGO_CACHEX_{end}` too"
        for end in dict.fromkeys(FOR_ALL)
        for prefix in PREFIXES[1:]
    },
    "CACHE_HERD_TIMEOUT": "not looked at: it concerns HerdClient, which is refused",
    **{
        name: f"the `{field}` of a `COMPRESSOR` that is given by the path of django-valkey's"
        for name, field in HEEDED.items()
    },
    **dict.fromkeys(
        REFUSED_SETTINGS,
        "refused where `COMPRESSOR` is given by the path of django-valkey's: write one of ours, or"
        " a class of your own",
    ),
}
"""The settings for all caches that other backends have, and what they are here."""


def here(name: str) -> str:
    """Say what an option of another backend is here."""
    upper = name.upper()
    if upper in REFUSED:
        return f"refused: {REFUSED[upper]}"
    option = BY_NAME[upper]
    return option.doc if option.name == upper else f"`{option.name}`: {option.doc}"


def of_class(path: str) -> str:
    """Say what the dotted path of another backend's class is here."""
    if path in peers.REFUSED:
        return f"refused: {peers.REFUSED[path]}"
    ours = peers.EVERY[path]
    made = {"django_json": "`json`, with Django's dates", "default_pickle": "`pickle`"}
    return made.get(ours.rpartition(".")[2], f"`{ours}`")


def table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {head} | here |", "| --- | --- |"]
    for name, text in rows:
        cell = text.replace("|", "\\|")
        lines.append(f"| `{name}` | {cell} |")
    return "\n".join(lines)


def parts() -> Iterator[str]:
    for peer, names in OPTIONS.items():
        yield f"## OPTIONS: {peer}"
        yield table("option", ((name, here(name)) for name in names))
    yield "## Settings for all caches"
    yield table("setting", SETTINGS.items())
    yield "## Paths of classes"
    yield table("path", ((path, of_class(path)) for path in peers.EVERY))


def updated(page: str) -> str:
    """Return the page with new tables between its two marks."""
    return pages.between(page, BEGIN, "\n\n".join(parts()))


def main(arguments: list[str]) -> int:
    wanted = updated(PAGE.read_text())
    return pages.bring_up_to_date(PAGE, wanted, "peer_tables", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
