"""
What spans look like.

All that is the same for every `GET` to one server on behalf of `get` is made once, as a `Shape`;
what is left for a call is to start a span with it, and to end it with what came of it.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Any

from cachex_client import Command, Operation, Origin, Sent
from cachex_otel import attributes as names
from cachex_otel.failures import class_name, status_code
from cachex_otel.options import TelemetryOptions
from cachex_otel.query_text import query_text
from cachex_pool import Endpoint

Attributes = dict[str, Any]

BACKGROUND = frozenset(("CLUSTER", "INFO", "PING", "ROLE", "SCAN", "SENTINEL"))
"""Commands that say little by themselves: they get spans inside others only."""
BATCHES = frozenset(("MULTI", "PIPELINE"))
LOOKUPS = frozenset(("GET", "GETDEL", "GETEX", "HGET"))
"""Commands whose reply says whether there was something under the key."""
NAMED = frozenset(("FCALL", "FCALL_RO"))
SCRIPTS = NAMED | {"EVALSHA", "EVALSHA_RO"}
MOST = 2048
"""Shapes kept at most; more can only come of scripts or clients made by the thousand."""

_SENTRY_OPS = {
    verb: f"cache.{op}"
    for op, verbs in {
        "get": "get get_many get_or_set has_key",
        "put": "add decr incr incr_many set set_many touch touch_many",
        "remove": "delete delete_many delete_pattern",
        "flush": "clear flush_db",
    }.items()
    for verb in verbs.split()
}


class Shape:
    """
    What operations of one kind have in common.

    `labels` are the attributes a span is created with, `measures` those of durations. `lookup` says
    that the reply is a hit or a miss, `counts` that keys are counted, `gated` that there are spans
    inside others only, `plain` that a call has nothing to add to `labels`. `verb` is whose command
    it is, `outer` name and attributes of a span of that.
    """

    __slots__ = (
        "counts",
        "endings",
        "gated",
        "labels",
        "lookup",
        "measures",
        "name",
        "outer",
        "plain",
        "server",
        "verb",
    )

    def __init__(self, name: str, server: Endpoint, measures: Attributes) -> None:
        self.name = name
        self.server = server
        self.measures = measures
        self.labels: Attributes = dict(measures)
        self.lookup = self.counts = self.gated = self.plain = False
        self.verb: Origin | None = None
        self.outer: tuple[str, Attributes] | None = None
        self.endings: dict[Any, tuple[Endpoint | None, Attributes]] = {}


class Shapes:
    """Finds the shape of an operation; None stands for one nobody wants to hear of."""

    def __init__(self, options: TelemetryOptions) -> None:
        self._options = options
        self._excluded = options.exclude_commands
        self._known: dict[Any, Shape | None] = {}

    def of(self, sent: Sent) -> Shape | None:
        """Return the shape of a wire operation."""
        commands = sent.commands
        procedure = ""
        if len(commands) == 1:
            name = commands[0].spec.name
            scripted = name in SCRIPTS
        else:
            common = sent.common
            name = batch_name(sent, common)
            scripted = common in SCRIPTS
        if scripted:
            procedure = _procedure(commands)
        server, origin = sent.server, sent.origin
        # A shape holds server and origin, so that their id() is nobody else's.
        key = (name, id(server), id(origin), procedure)
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= MOST:
                self._known.clear()
            shape = self._known[key] = self._make(server, name, procedure, origin)
            return shape

    def _make(
        self, server: Endpoint, name: str, procedure: str, origin: Origin | None
    ) -> Shape | None:
        first, _, common = name.partition(" ")
        batch = first in BATCHES
        command = common if batch else name
        family = command.partition(" ")[0]  # "CONFIG" of "CONFIG GET"
        if not self._excluded.isdisjoint(map(str.upper, (name, command, family))):
            return None
        options = self._options
        measures = {
            names.DB_SYSTEM_NAME: options.system_name,
            names.DB_OPERATION_NAME: name,
            names.DB_NAMESPACE: str(server.db),
            **server_attributes(server),
        }
        named = procedure and command in NAMED
        shape = Shape(f"{name} {procedure}" if named else name, server, measures)
        shape.gated = options.require_parent or family in BACKGROUND
        shape.plain = not batch and options.query_text == options.key_attribute == "off"
        if procedure:
            shape.labels[names.DB_STORED_PROCEDURE_NAME] = procedure
        if origin is not None:
            own = self.of_verb(origin)
            shape.verb = origin
            shape.counts = origin.operation.endswith("_many")
            shape.outer = verb_name(origin), own
            shape.labels |= own
            shape.lookup = name in LOOKUPS
        return shape

    def of_verb(self, origin: Origin) -> Attributes:
        """Return the attributes that say which verb of which cache it was."""
        own: Attributes = {names.OPERATION_NAME: origin.operation}
        if origin.cache:
            own[names.CACHE_NAME] = origin.cache
        if self._options.sentry_compat and origin.operation in _SENTRY_OPS:
            own[names.SENTRY_OP] = _SENTRY_OPS[origin.operation]
        return own

    def asked_for(self, sent: Sent, shape: Shape) -> Attributes:
        """Return the start attributes with what differs from call to call."""
        options = self._options
        commands = sent.commands
        labels = shape.labels
        if len(commands) == 1:
            keys = commands[0].keys if options.key_attribute != "off" else []
            if len(keys) != 1 and options.query_text == "off":
                return labels
            labels = dict(labels)
            if len(keys) == 1:
                labels |= self._of_key(keys[0])
        else:
            labels = {**labels, names.DB_OPERATION_BATCH_SIZE: len(commands)}
        if options.query_text != "off":
            labels[names.DB_QUERY_TEXT] = query_text(commands, keys=options.query_text == "keys")
        return labels

    def _of_key(self, key: bytes) -> Attributes:
        if self._options.key_attribute == "hash":
            secret = self._options.key_secret
            hashed = blake2s(key, digest_size=8, key=blake2s(secret).digest() if secret else b"")
            return {names.KEY_HASH: hashed.hexdigest()}
        plain: Attributes = {names.KEY: _text(key)}
        if self._options.sentry_compat:
            plain[names.SENTRY_KEY] = (_text(key),)
        return plain


def batch_name(sent: Sent, common: str | None) -> str:
    """Return "PIPELINE", "MULTI" or "PIPELINE GET": with the name that all commands share."""
    first = "MULTI" if sent.atomic else "PIPELINE"
    return first if common is None else f"{first} {common}"


def _procedure(commands: Sequence[Command[Any]]) -> str:
    """Return the function or the script that all commands call, "" if they do not agree."""
    called = {_text(one.arguments[1]) for one in commands if len(one.arguments) > 1}
    return called.pop() if len(called) == 1 else ""


def verb_name(origin: Origin) -> str:
    return f"{origin.operation} {origin.cache}" if origin.cache else origin.operation


def server_attributes(server: Endpoint) -> Attributes:
    """Return where the client was told to find a server; the port if it is not Redis' own."""
    if server.path is not None:
        return {names.SERVER_ADDRESS: server.path}
    if server.port == names.DEFAULT_PORT:
        return {names.SERVER_ADDRESS: server.host}
    return {names.SERVER_ADDRESS: server.host, names.SERVER_PORT: server.port}


def peer_attributes(peer: Endpoint | None) -> Attributes:
    """Return who answered, `Sent.address`."""
    if peer is None:
        return {}
    if peer.path is not None:
        return {names.NETWORK_PEER_ADDRESS: peer.path}
    return {names.NETWORK_PEER_ADDRESS: peer.host, names.NETWORK_PEER_PORT: peer.port}


def failure(error: BaseException) -> Attributes:
    """Return what is said of a failure: never its text, which may quote what was sent."""
    code = status_code(error)
    if code is None:
        return {names.ERROR_TYPE: class_name(type(error))}
    return {names.ERROR_TYPE: code, names.DB_RESPONSE_STATUS_CODE: code}


def ending(sent: Sent, shape: Shape, *, sentry: bool) -> Mapping[str, Any]:
    """Return the attributes that are known in the end only."""
    result = _result(sent) if shape.lookup else None
    peer = sent.address
    known = shape.endings.get((id(peer), result))
    if known is not None:
        return known[1]
    made = {**peer_attributes(peer), **verdict(sent, shape, sentry=sentry)}
    if len(shape.endings) >= MOST:
        shape.endings.clear()
    shape.endings[id(peer), result] = peer, made  # the peer is held: its id() stays its own
    return made


def verdict(sent: Sent, shape: Shape, *, sentry: bool) -> Attributes:
    """Return whether it was a hit or a miss, if that was the question."""
    if not shape.lookup:
        return {}
    result = _result(sent)
    if sentry:
        return {names.LOOKUP_RESULT: result, names.SENTRY_HIT: result == names.HIT}
    return {names.LOOKUP_RESULT: result}


def _result(sent: Sent) -> str:
    if sent.error is not None:
        return names.ERROR
    return names.MISS if not sent.replies or sent.replies[0] is None else names.HIT


def counted(operation: Operation | Sent) -> Attributes:
    """Return how many keys were asked for and found, where that means something."""
    counts: Attributes = {}
    if operation.requested is not None:
        counts[names.KEYS_REQUESTED] = operation.requested
    if operation.found is not None:
        counts[names.KEYS_FOUND] = operation.found
    return counts


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
