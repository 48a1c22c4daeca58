"""Where a server is and how to be let in."""

import os
import ssl
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
from redis.credentials import CredentialProvider

from cachex_pool._certificates import UNUSABLE, Reloading, system_authorities
from cachex_pool.checks import encodes, made_of, not_empty, one_of, said, text_or_none, whole
from cachex_pool.errors import ConfigurationError
from cachex_pool.secrecy import keeps_secrets

Credentials = CredentialProvider | Callable[[], tuple[str | None, str]]
"""Who says user name and password anew at every connect: redis-py's provider, or a function."""

_TCP = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_SPECIAL = "host:port is followed by /db; special characters of a password are percent-encoded"
_OLD = {
    ssl.TLSVersion.SSLv3: ssl.OP_NO_SSLv3,
    ssl.TLSVersion.TLSv1: ssl.OP_NO_TLSv1,
    ssl.TLSVersion.TLSv1_1: ssl.OP_NO_TLSv1_1,
}
"""What is older than TLS 1.2, each with the option that rules it out."""
_VERIFY = {
    "required": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "none": ssl.CERT_NONE,
}


def _is_given(value: object) -> str:
    return "None" if value is None else "..."


@attrs.frozen(kw_only=True)
class Tls:
    """
    How to trust the server and prove who we are.

    `ca_certs`, `ca_path`, `ca_data` name the authorities to trust (a file, a folder, PEM
    text), the system's if none is given; `certfile` and `keyfile` are the client's own;
    `verify` is "required", "optional" or "none"; `context` replaces all of it.
    The SSLContext is built once for each value and shared by its connections. When files have
    changed, new connections get one that is built anew; if that fails, the one before.
    """

    ca_certs: str | None = attrs.field(default=None, validator=not_empty)
    ca_path: str | None = attrs.field(default=None, validator=not_empty)
    ca_data: str | None = attrs.field(default=None, validator=not_empty, repr=_is_given)
    certfile: str | None = None
    keyfile: str | None = None
    keyfile_password: str | None = attrs.field(default=None, repr=False, validator=text_or_none)
    check_hostname: bool = True
    verify: str = attrs.field(default="required", validator=one_of(_VERIFY))
    min_version: ssl.TLSVersion | None = None
    ciphers: str | None = None
    context: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    _loaded: Reloading = attrs.field(factory=Reloading, init=False, repr=False, eq=False)

    def ssl_context(self) -> ssl.SSLContext:
        """
        Return the SSLContext of this value, built anew if its files have changed.

        If what they have now is unusable, that is logged as a warning, and the one before is
        returned; ConfigurationError if there is none before.
        """
        if self.context is not None:
            return self.context
        try:
            return self._loaded.current(self._files, self._build)
        except UNUSABLE as error:
            raise ConfigurationError(f"TLS settings {self}: {said(error)}") from error

    def weaknesses(self) -> list[str]:
        """
        Return what lets others pass for the server, or listen; in words, empty if nothing.

        ConfigurationError if OpenSSL does not know the ciphers.
        """
        context = self.context
        if context is None:  # no file matters
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                self._restrict(context)
            except UNUSABLE as error:
                raise ConfigurationError(f"TLS settings {self}: {said(error)}") from error
        return _weaknesses(context)

    def _files(self) -> tuple[str, ...]:
        named = (self.ca_certs, self.ca_path, self.certfile, self.keyfile)
        files = tuple(path for path in named if path)
        trusts = self.ca_certs or self.ca_path or self.ca_data
        return files if trusts else (*system_authorities(), *files)

    def _build(self) -> ssl.SSLContext:
        if self.ca_path is not None and not os.path.isdir(self.ca_path):
            raise NotADirectoryError(f"ca_path {self.ca_path!r} is no folder")
        if self.ca_data is not None and not self.ca_data.isascii():
            raise ValueError("ca_data is not PEM: it has letters outside of ASCII")
        context = ssl.create_default_context(
            cafile=self.ca_certs, capath=self.ca_path, cadata=self.ca_data
        )
        self._restrict(context)
        if self.certfile or self.keyfile:
            if not self.certfile:
                raise ValueError("a keyfile needs its certfile")
            # Without any password, OpenSSL would ask for one on the terminal, and wait for it.
            context.load_cert_chain(self.certfile, self.keyfile, self.keyfile_password or "")
        return context

    def _restrict(self, context: ssl.SSLContext) -> None:
        context.check_hostname = self.check_hostname and self.verify != "none"
        context.verify_mode = _VERIFY[self.verify]
        if self.min_version is not None:
            context.minimum_version = self.min_version
        if self.ciphers:
            context.set_ciphers(self.ciphers)


def _weaknesses(context: ssl.SSLContext) -> list[str]:
    found = []
    if context.verify_mode == ssl.CERT_NONE:
        found.append("the server's certificate is not checked")
    elif not context.check_hostname:
        found.append("the certificate may be anybody's: its host name is not checked")
    if any(
        context.minimum_version <= version and not context.options & ruled_out
        for version, ruled_out in _OLD.items()
    ):
        found.append("TLS below 1.2 is spoken")
    if context.security_level == 0:  # any other rules these out, too
        ciphers = context.get_ciphers()
        found.append("weak keys and ciphers are accepted (SECLEVEL=0)")
        if any(cipher["auth"] == "auth-null" for cipher in ciphers):
            found.append("ciphers are offered that need no certificate (aNULL)")
        if any(cipher["strength_bits"] == 0 for cipher in ciphers):
            found.append("ciphers are offered that do not encrypt (eNULL)")
    return found


@lru_cache(1024)
def ip_version(host: str) -> int | None:
    """Return 4 or 6 if a host is given by its IP address, None if it is a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


@attrs.frozen(kw_only=True)
class Endpoint:
    """
    One server: address, database, credentials, TLS.

    `path` is a unix socket and takes the place of host and port. `credentials` is asked at
    every connect and replaces `username` and `password`. `read_only`
    sends READONLY, so that a replica of a cluster answers reads. `protocol` is the RESP version to
    ask for; a server that knows only 2 gets 2. `minimal_handshake` sends nothing that can be done
    without: no HELLO and no CLIENT, for proxies that hang up on those; without it, that is tried
    after they did. Secrets are not in the repr.
    """

    host: str = attrs.field(default="127.0.0.1", validator=made_of(str))
    port: int = attrs.field(default=6379, validator=whole(0, 65535))
    path: str | None = None
    db: int = attrs.field(default=0, validator=whole(0))
    username: str | None = attrs.field(  # redis://password@host is common
        default=None, repr=False, validator=text_or_none
    )
    password: str | None = attrs.field(default=None, repr=False, validator=text_or_none)
    credentials: Credentials | None = attrs.field(default=None, repr=False)
    tls: Tls | None = attrs.field(default=None, validator=made_of(Tls, or_none=True))
    client_name: str | None = attrs.field(default=None, validator=text_or_none)
    read_only: bool = False
    protocol: int = attrs.field(default=3, validator=one_of((2, 3)))
    minimal_handshake: bool = attrs.field(default=False, validator=made_of(bool))

    def __attrs_post_init__(self) -> None:
        if self.path is not None and self.tls is not None:
            raise ConfigurationError("tls is for TCP: a unix socket (path) is spoken to in plain")

    @property
    def name(self) -> str:
        """The server as messages and metrics name it: `host:port/db` or `path/db`."""
        if self.path is not None:
            return f"{self.path}/{self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.db}"

    @property
    def address(self) -> tuple[str, int] | str:
        """Where the server is: host and port, or the path of its socket."""
        return (self.host, self.port) if self.path is None else self.path

    @property
    def peer(self) -> "Endpoint | None":
        """This server if it is known by its address already, None if by a name."""
        if self.path is not None:
            return self
        return None if ip_version(self.host) is None else self

    def login(self) -> tuple[str | None, str] | None:
        """Return user name and password, asking the provider if there is one."""
        if self.credentials is not None:
            if isinstance(self.credentials, CredentialProvider):
                return _as_login(self.credentials.get_credentials())
            return _as_login(self.credentials())
        if self.password is None and self.username is None:
            return None
        return self.username, self.password or ""  # ACL knows users without a password

    @property
    def asks_natively(self) -> bool:
        """Whether the provider has a coroutine of its own; redis-py's would call and block."""
        inherited = CredentialProvider.get_credentials_async
        kind = type(self.credentials)
        return getattr(kind, "get_credentials_async", inherited) is not inherited

    async def async_login(self) -> tuple[str | None, str] | None:
        """Do as `login`, through `get_credentials_async` if that is the provider's own."""
        if isinstance(self.credentials, CredentialProvider) and self.asks_natively:
            return _as_login(await self.credentials.get_credentials_async())
        return self.login()


# A setting that is refused, and those beside it, are in no traceback.
Endpoint.__init__ = keeps_secrets()(Endpoint.__init__)  # type: ignore[method-assign]
Tls.__init__ = keeps_secrets()(Tls.__init__)  # type: ignore[method-assign]


@keeps_secrets()
def parse_url(url: str) -> tuple[Endpoint, dict[str, str]]:
    """
    Read `redis://[[user]:password@]host[:port][/db][?option=value]` and its kin.

    Schemes: redis, valkey (plain), rediss, valkeys (TLS), unix (`unix:///path?db=1`). `db`,
    `username`, `password`, `protocol` and `client_name` may also stand in the query, as redis-py
    allows, and so may `minimal_handshake`; every other option is returned for the caller to
    understand or refuse.
    ConfigurationError says what is wrong, without ever showing the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text may quote the password
        raise ConfigurationError(f"not a server URL: {_SPECIAL}") from None
    scheme = parts.scheme.lower()
    if scheme not in (*_TCP, "unix"):
        known = "redis://, rediss://, valkey://, valkeys:// or unix://"
        given = f", not with {scheme + '://'!r}" if "://" in url else ""
        raise ConfigurationError(f"a server URL starts with {known}{given}")
    if not url.strip().lower().startswith(f"{scheme}://"):
        raise ConfigurationError(f"a server URL has two slashes after {scheme}: ({_SPECIAL})")
    if "#" in url:
        raise ConfigurationError(f"a server URL has no # in it ({_SPECIAL})")
    if not all("=" in option for option in parts.query.split("&") if option):
        raise ConfigurationError(f"options of a server URL are name=value ({_SPECIAL})")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    settings: dict[str, Any] = {
        name: options.pop(name)
        for name in ("username", "password", "client_name")
        if name in options
    }
    if parts.username:
        settings["username"] = unquote(parts.username)
    if parts.password:
        settings["password"] = unquote(parts.password)
    if scheme == "unix":
        settings["path"] = unquote(parts.netloc.rpartition("@")[2] + parts.path)
        if not settings["path"]:
            raise ConfigurationError("a unix:// URL names the path of a socket")
    else:
        settings["host"] = unquote(parts.hostname or "localhost")
        settings["port"] = 6379 if port is None else port
        if _TCP[scheme]:
            settings["tls"] = Tls()
        if parts.path.strip("/"):
            settings["db"] = _number("db", parts.path.strip("/"))
    for name in ("db", "protocol"):
        if name in options:
            settings[name] = _number(name, options.pop(name))
    if "minimal_handshake" in options:
        settings["minimal_handshake"] = _flag("minimal_handshake", options.pop("minimal_handshake"))
    try:
        return Endpoint(**settings), options
    except ValueError as error:
        raise ConfigurationError(f"not a server URL: {error}") from None


@keeps_secrets(ValueError)
def _as_login(given: Any) -> tuple[str | None, str]:
    """Read what a provider gave: a password, or user and password. Errors show none of it."""
    words = given if isinstance(given, tuple | list) else (given,)
    kinds = [type(word).__name__ for word in words]
    usable = len(words) in (1, 2) and all(isinstance(word, str | bytes | None) for word in words)
    if given is None or not usable:
        what = f"{len(words)} values, of {' and '.join(kinds)}" if words is given else kinds[0]
        raise ValueError(f"a provider gives user and password, or a password, not {what}")
    if any(isinstance(word, str) and not encodes(word) for word in words):
        raise ValueError("a provider gave a user or a password that does not encode as UTF-8")
    user, password = map(_decoded, words if len(words) == 2 else (None, *words))
    return user or None, password  # ACL knows users without a password


def _decoded(word: str | bytes | None) -> str:
    # What is no UTF-8 is sent as the same bytes again.
    return word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word or ""


def _flag(name: str, text: str) -> bool:
    flags = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in flags:
        raise ConfigurationError(f"{name} of a server URL is 1 or 0 ({_SPECIAL})")
    return flags[text.lower()]


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(f"{name} of a server URL is a number ({_SPECIAL})") from None
