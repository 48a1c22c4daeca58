"""What to tell and what to leave out. Checked once, when `instrument` is called."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import deep_iterable, in_, instance_of, is_callable, optional

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from cachex_client import Sent

    Hook = Callable[[Span, Sent], object]


def _on_or_off(value: object) -> object:
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _upper(names: Iterable[str]) -> frozenset[str]:
    if isinstance(names, str):
        raise TypeError(f"exclude_commands is a collection of names, not the string {names!r}")
    return frozenset(name.upper() for name in names)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


@attrs.frozen(kw_only=True)
class TelemetryOptions:
    """
    What `instrument` takes besides providers.

    `spans`            "auto": one for each command, and one around the commands of a call that
                       needs several; "command": those of commands alone; "cache": those of the
                       cache's verbs alone; "both": a span of the verb around each of its commands;
                       "off"
    `metrics`          "on" or True, "off" or False; "full" adds what costs more: the time for which
                       connections are borrowed, and the duration of every cache call
    `require_parent`   make spans only inside another span
    `exclude_commands` names of commands to be silent about, in spans and durations
    `query_text`       `db.query.text`: "off"; "masked": the command with "?" for every argument;
                       "keys": the names of keys are left readable
    `key_attribute`    the key of a command that has one: "off"; "hash": 8 bytes of BLAKE2 in hex;
                       "plain"
    `key_secret`       what the hash is keyed with: keys that can be guessed could else be found
                       again by trying
    `system_name`      what `db.system.name` is: "redis", which tools know, or "valkey"
    `metric_peer`      the address that answered as attributes of durations: one more series for
                       each node
    `sentry_compat`    also the attributes that Sentry's page about caches reads
    `request_hook`     called with span and `Sent` before a command is sent, if the span is recorded
    `response_hook`    called with span and `Sent` after the last reply, if the span is recorded
    """

    spans: str = attrs.field(
        default="auto", validator=in_(("auto", "command", "cache", "both", "off"))
    )
    metrics: str = attrs.field(
        default="on", converter=_on_or_off, validator=in_(("on", "off", "full"))
    )
    require_parent: bool = attrs.field(default=False, validator=instance_of(bool))
    exclude_commands: frozenset[str] = attrs.field(
        default=frozenset(), converter=_upper, validator=deep_iterable(instance_of(str))
    )
    query_text: str = attrs.field(default="off", validator=in_(("off", "keys", "masked")))
    key_attribute: str = attrs.field(default="off", validator=in_(("off", "hash", "plain")))
    key_secret: bytes = attrs.field(
        default=b"", converter=_bytes, validator=instance_of(bytes), repr=False
    )
    system_name: str = attrs.field(default="redis", validator=in_(("redis", "valkey")))
    metric_peer: bool = attrs.field(default=False, validator=instance_of(bool))
    sentry_compat: bool = attrs.field(default=False, validator=instance_of(bool))
    request_hook: "Hook | None" = attrs.field(default=None, validator=optional(is_callable()))
    response_hook: "Hook | None" = attrs.field(default=None, validator=optional(is_callable()))

    @classmethod
    def of(cls, options: dict[str, Any]) -> "TelemetryOptions":
        """Make options of keywords; TypeError names those that there are not."""
        known = {field.name for field in attrs.fields(cls)}
        if unknown := sorted(options.keys() - known):
            raise TypeError(f"instrument() has no option {', '.join(unknown)}")
        return cls(**options)
