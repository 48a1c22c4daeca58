"""
How the value of an option is read: one Reader for each kind of value.

Settings are Python, but options also stand in URLs and come out of environment
variables: a number or a flag may be given as text.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import attrs

from cachex_client._core.addresses import AllowedHosts
from cachex_client.config import peers
from cachex_client.errors import ConfigurationError
from cachex_client.options import RetryOptions
from cachex_client.resolve import raised, resolve_compressors, resolve_serializers
from cachex_client.signing import is_usable
from cachex_pool import BreakerOptions, PoolOptions
from cachex_pool.checks import encodes, quoted, said

T = TypeVar("T")


class Unreadable(ValueError):
    """The value is of the right kind, but not usable; the text says why and shows no secret."""


class Broken(Unreadable):
    """What the value names cannot be used; the text has nothing of the value."""


@attrs.frozen
class Reader:
    """
    Turns what was written into what is meant.

    `expects` completes the sentence "expected ...". `convert` returns the value, or raises
    Unreadable with a reason, or anything else without one.
    """

    expects: str
    convert: Callable[[Any], Any]


_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else str(value)
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = value if isinstance(value, int) else float(value)
    if not 0 <= number <= sys.maxsize:
        raise ValueError
    return number


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number == 0:
        raise ValueError
    return number


def _look_after(value: Any) -> float:
    return min(_number(value), PoolOptions().alive_bypass)


def _whole(least: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = _number(value)
        if number != int(number) or number < least:
            raise ValueError
        return int(number)

    return convert


def _or_none(convert: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else convert(value)


def _size(value: Any) -> int:
    return sys.maxsize if value is None else _whole(1)(value)


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value


def _sent(value: Any) -> str | None:
    text = _text(value)
    if text is not None and not encodes(text):
        raise ValueError
    return text


def _named_file(value: Any) -> str | None:
    if value == "":
        raise ValueError
    return _text(value)


def _pem(value: Any) -> str | None:
    text = _named_file(value)
    if text is not None and not text.isascii():
        raise ValueError
    return text


def _one_of(*words: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        word = value.lower() if isinstance(value, str) else ""
        if word not in words:
            raise ValueError
        return word

    return convert


def imported(value: Any) -> Any:
    """Return what a dotted path leads to, Unreadable if nowhere; anything else as it is."""
    if not isinstance(value, str):
        return value
    module, _, name = value.rpartition(".")
    if not module:
        raise Unreadable(f"{quoted(value)} cannot be imported: it is not a dotted path")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Unreadable(f"{quoted(value)} cannot be imported: {said(error)}") from None
    except Exception as error:
        raise Broken(f"its import raised {raised(error)}") from None


def _named_class(value: Any) -> type | str:
    if not isinstance(value, type | str) or not value:
        raise TypeError
    path = value if isinstance(value, str) else _path(value)
    if path in peers.CLASSES:
        return peers.CLASSES[path]
    if peers.belongs_to_a_peer(path):
        raise Unreadable(f"{quoted(path)}: {peers.why_not(path)}")
    return value


def _class(value: Any) -> type:
    found = imported(value)
    if not isinstance(found, type):
        raise TypeError
    return found


def _function(value: Any) -> Any:
    found = imported(value)
    if found is not None and not callable(found):
        raise TypeError
    return found


ANYTHING = Reader("anything", lambda value: value)
FLAG = Reader("True or False", _flag)
SECONDS = Reader("a number of seconds above 0, or None for the default", _seconds)
SECONDS_OR_OFF = Reader("a number of seconds, or 0", _number)
LOOK_AFTER = Reader(SECONDS_OR_OFF.expects, _look_after)  # redis-py's 30 s would be no protection
COUNT = Reader("a whole number, 0 or above", _whole(0))
COUNT_OR_NONE = Reader(COUNT.expects, _or_none(_whole(0)))
POSITIVE = Reader("a whole number above 0", _whole(1))
SIZE = Reader("a whole number of bytes above 0, or None for no limit", _size)
TEXT = Reader("a str", _sent)
PATH = Reader("a str", _text)  # of any bytes
AUTHORITIES = Reader("the path of a file or folder", _named_file)
PEM = Reader("text in PEM, which is ASCII", _pem)
CLASS = Reader("a class or the dotted path of one", _class)
NAMED_CLASS = Reader(CLASS.expects, _named_class)  # that need not be there to be imported
FUNCTION = Reader("a function or the dotted path of one", _function)
CLEAR = Reader("'prefix' or 'database'", _one_of("prefix", "database"))


def _prefixes(value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else value
    listed = isinstance(found, list | tuple | set | frozenset)
    if not listed or not all(isinstance(one, str) and encodes(one) for one in found):
        raise TypeError
    return tuple(found)


PREFIXES = Reader("a list of str", _prefixes)


def _allowed_hosts(value: Any) -> tuple[str, ...]:
    try:
        return AllowedHosts(_prefixes(value)).allowed
    except ConfigurationError as error:
        raise Unreadable(str(error)) from None


ALLOWED_HOSTS = Reader("a list of host names and networks", _allowed_hosts)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return value


MAPPING = Reader("a dict of options", _mapping)


def _sentinels(value: Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, list | tuple) or not value:
        raise TypeError
    return tuple(map(_sentinel, value))


def _sentinel(value: Any) -> tuple[str, int]:
    wrong = Unreadable("each is a pair of host and port, such as ('sentinel-1', 26379)")
    if isinstance(value, str):  # host, host:port, [::1]:port
        host, colon, port = value.rpartition(":")
        value = (host, port) if colon and not value.endswith("]") else (value, 26379)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise wrong
    host, port = value
    if not isinstance(host, str) or not host or "/" in host or isinstance(port, bool):
        raise wrong
    try:
        number = int(port)
    except (TypeError, ValueError):
        raise wrong from None
    if not 0 < number < 65536:
        raise wrong
    return host.strip("[]"), number


SENTINELS = Reader("a list of (host, port)", _sentinels)


def _protocol(value: Any) -> int:
    number = _whole(2)(value)
    if number > 3:
        raise ValueError
    return number


PROTOCOL = Reader("2 or 3", _protocol)

_POLICIES = ("primary", "primary_preferred", "replica", "replica_preferred", "any", "nearest")


def _read_from(value: Any) -> Any:
    if isinstance(value, str) and "." in value:
        value = imported(value)
    return value if callable(value) else _one_of(*_POLICIES)(value)


READ_FROM = Reader(f"one of {', '.join(_POLICIES)}, or a function", _read_from)


def _credentials(value: Any) -> Any:
    found = imported(value)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise Broken(f"its constructor raised {raised(error)}") from None
    if found is not None and not (callable(found) or hasattr(found, "get_credentials")):
        raise TypeError
    return found


CREDENTIALS = Reader(
    "a redis-py CredentialProvider, a function, or the dotted path of one", _credentials
)

_REQUIREMENTS = {0: "none", 1: "optional", 2: "required"}  # ssl.CERT_NONE, ...


def _verify(value: Any) -> str:
    """Read what redis-py takes, ssl's constants and their names, and a flag."""
    if value is None or isinstance(value, bool):
        return "required" if value else "none"
    if isinstance(value, int):
        return _REQUIREMENTS[value]
    word = str(value).lower().rpartition(".")[2].removeprefix("cert_")
    if word in ("0", "1", "2"):
        return _REQUIREMENTS[int(word)]
    if word in ("true", "false"):
        return "required" if word == "true" else "none"
    return _one_of("required", "optional", "none")(word)


VERIFY = Reader("'required', 'optional' or 'none', or ssl's constant for one", _verify)


def _named(module: str, name: str) -> Callable[[Any], Any]:
    """Accept objects of one class without importing its module here."""

    def convert(value: Any) -> Any:
        kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__}
        if value is not None and f"{module}.{name}" not in kinds:
            raise TypeError
        return value

    return convert


TLS_VERSION = Reader("an ssl.TLSVersion", _named("ssl", "TLSVersion"))
TLS_CONTEXT = Reader("an ssl.SSLContext", _named("ssl", "SSLContext"))


def _settings_of(kind: type, off: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Accept an object of an attrs class, a dict of its fields, or a flag."""

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if isinstance(value, bool | str):
            return kind() if _flag(value) else kind(**off)
        if not isinstance(value, Mapping):
            raise TypeError
        known = [field.name for field in attrs.fields(kind)]
        for name in value:
            if name not in known:
                raise Unreadable(f"{quoted(name)} is not one of {', '.join(known)}")
        return kind(**value)

    return convert


_retry_options = _settings_of(RetryOptions, {"attempts": 1})


def _retry(value: Any) -> Any:
    """Accept redis-py's Retry too, of which the number counts; the pauses are ours."""
    if _path(value) not in _RETRIES:
        return _retry_options(value)
    again = value._retries
    if again < 0:
        raise Unreadable("there is no retrying for ever: TIMEOUT says when a call gives up")
    return RetryOptions(attempts=1 + again)


_RETRIES = frozenset(
    f"{package}.retry.Retry" for package in ("redis", "redis.asyncio", "valkey", "valkey.asyncio")
)

RETRY = Reader(
    f"True, False or a dict of {', '.join(f.name for f in attrs.fields(RetryOptions))}",
    _retry,
)
BREAKER = Reader(
    f"True, False or a dict of {', '.join(f.name for f in attrs.fields(BreakerOptions))}",
    _settings_of(BreakerOptions, {"enabled": False}),
)


def only(accepted: bool, *, instead: str) -> Reader:
    """Accept one value of a flag; `instead` says what to write in place of the other."""

    def convert(value: Any) -> bool:
        if _flag(value) is not accepted:
            raise Unreadable(instead)
        return accepted

    return Reader(str(accepted), convert)


def stock(*names: str, instead: str) -> Reader:
    """Accept redis-py's own classes of these names, which say nothing; refuse others."""

    def convert(value: Any) -> None:
        path = value if isinstance(value, str) else _path(value)
        package, _, _ = path.partition(".")
        name = path.rpartition(".")[2].replace("Valkey", "Redis").replace("Libvalkey", "Hiredis")
        if package not in ("redis", "valkey") or name not in names:
            raise Unreadable(f"there is no way to put in {quoted(path)}: use {instead}")

    return Reader("a class of redis-py", convert)


def _path(value: Any) -> str:
    kind = value if inspect.isclass(value) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _chain(
    resolve: Callable[[Any], tuple[Any, ...]], known: Mapping[str, str]
) -> Callable[[Any], tuple[Any, ...]]:
    """Accept one or several names, paths, classes or objects, as `cachex_client` finds them."""

    def convert(value: Any) -> tuple[Any, ...]:
        several = value if isinstance(value, list | tuple) else (value,)
        try:
            return resolve([_ours(one, known) for one in several if one is not None])
        except ConfigurationError as error:
            raise Unreadable(str(error)) from None

    return convert


def _ours(one: Any, known: Mapping[str, str]) -> Any:
    """Return what stands for a class of another backend, or for one that was written for such."""
    path = one if isinstance(one, str) else _path(one) if inspect.isclass(one) else ""
    if path in known:
        return known[path] if known is peers.SERIALIZERS else _compressor_of_a_peer(path)
    if peers.belongs_to_a_peer(path):
        raise Unreadable(f"{quoted(path)}: {peers.why_not(path)}")
    if "." not in path:
        return one
    found: Any = imported(one)
    if inspect.isclass(found) and _wants_options(found):
        make: Callable[..., Any] = found
        return partial(make, options={})
    return one


def _compressor_of_a_peer(path: str) -> Any:
    """Make one that writes what the other backend's does: members of sets are found by it."""
    (made,) = resolve_compressors(peers.COMPRESSORS[path])
    if not hasattr(made, "always"):
        return made
    return attrs.evolve(made, min_length=peers.compressed_from(path), always=True)  # type: ignore[misc]


def _wants_options(kind: type) -> bool:
    """Tell whether a class is made as serializers and compressors of django-redis are."""
    try:
        wanted = inspect.signature(kind).parameters.get("options")
    except ValueError:  # it is written in C
        return False
    return wanted is not None and wanted.default is wanted.empty


SERIALIZERS = Reader(
    "a serializer (short name, dotted path, class or object), or a list of them",
    _chain(resolve_serializers, peers.SERIALIZERS),
)
COMPRESSORS = Reader(
    "a compressor (short name, dotted path, class or object), or a list of them",
    _chain(resolve_compressors, peers.COMPRESSORS),
)


def _pickle_version(value: Any) -> int:
    number = -1 if value in (-1, "-1") else _whole(0)(value)
    if number > 5:
        raise ValueError
    return number


PICKLE_VERSION = Reader("a pickle protocol: -1, or 0 to 5", _pickle_version)


def _signing_keys(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    several = value if isinstance(value, list | tuple) else (value,)
    if not several or not all(map(is_usable, several)):
        raise TypeError
    return tuple(several)


SIGNING_KEYS = Reader("True, a key (str or bytes) or a list of keys", _signing_keys)
