"""
Every name that leaves this package: attributes, metrics with units, bucket boundaries.

`db.*`, `error.type`, `server.*` and `network.*` are OpenTelemetry's semantic conventions for
database clients, the stable ones and, for connections, those in development; there are none for
caches yet, so what only a cache knows has the prefix `cachex.`.
"""

from typing import Final

import attrs

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
SCOPE: Final = "cachex_otel"
DEFAULT_PORT: Final = 6379

# -- attributes of the conventions

DB_SYSTEM_NAME: Final = "db.system.name"
DB_OPERATION_NAME: Final = "db.operation.name"
DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"
DB_NAMESPACE: Final = "db.namespace"
DB_QUERY_TEXT: Final = "db.query.text"
DB_RESPONSE_STATUS_CODE: Final = "db.response.status_code"
DB_STORED_PROCEDURE_NAME: Final = "db.stored_procedure.name"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
NETWORK_PEER_ADDRESS: Final = "network.peer.address"
NETWORK_PEER_PORT: Final = "network.peer.port"
NETWORK_IO_DIRECTION: Final = "network.io.direction"
POOL_NAME: Final = "db.client.connection.pool.name"
CONNECTION_STATE: Final = "db.client.connection.state"

# -- our own attributes

OPERATION_NAME: Final = "cachex.operation.name"
CACHE_NAME: Final = "cachex.cache.name"
LOOKUP_RESULT: Final = "cachex.lookup.result"
TIER: Final = "cachex.tier"
KEYS_REQUESTED: Final = "cachex.keys.requested"
KEYS_FOUND: Final = "cachex.keys.found"
RETRY_COUNT: Final = "cachex.retry.count"
REDIRECT_COUNT: Final = "cachex.redirect.count"
RETRY_REASON: Final = "cachex.retry.reason"
REDIRECT_TYPE: Final = "cachex.redirect.type"
KEY: Final = "cachex.key"
KEY_HASH: Final = "cachex.key.hash"
NODE_ROLE: Final = "cachex.node.role"
REFRESH_TRIGGER: Final = "cachex.refresh.trigger"
CLOSE_REASON: Final = "cachex.close.reason"
BREAKER_STATE: Final = "cachex.breaker.state"

# -- attributes that Sentry's view of caches reads, with `sentry_compat`

SENTRY_OP: Final = "sentry.op"
SENTRY_HIT: Final = "cache.hit"
SENTRY_ITEM_SIZE: Final = "cache.item_size"
SENTRY_KEY: Final = "cache.key"

# -- values

HIT: Final = "hit"
MISS: Final = "miss"
ERROR: Final = "error"
TIER_SERVER: Final = "server"
IDLE: Final = "idle"
USED: Final = "used"
TRANSMIT: Final = "transmit"
RECEIVE: Final = "receive"
BREAKER_STATES: Final = ("closed", "half-open", "open")

DURATION_BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)
"""The conventions' boundaries and finer ones between and below: a cache answers in less than 1 ms.

Every boundary of the conventions (0.001 0.005 0.01 0.05 0.1 0.5 1 5 10) is one of these, so that
histograms of both kinds can be added up.
"""


@attrs.frozen
class Metric:
    """A metric: its name, the kind of its instrument, its unit and what it tells."""

    name: str
    kind: str
    unit: str
    description: str


OPERATION_DURATION: Final = Metric(
    "db.client.operation.duration", "histogram", "s", "Duration of database client operations."
)
CONNECTION_CREATE_TIME: Final = Metric(
    "db.client.connection.create_time",
    "histogram",
    "s",
    "Time it took to open a connection, TLS and handshake included.",
)
CONNECTION_WAIT_TIME: Final = Metric(
    "db.client.connection.wait_time",
    "histogram",
    "s",
    "Time callers queued until they got a connection; those who did not queue are not in it.",
)
CONNECTION_USE_TIME: Final = Metric(
    "db.client.connection.use_time",
    "histogram",
    "s",
    "Time between borrowing a connection and giving it back.",
)
CACHE_DURATION: Final = Metric(
    "cachex.operation.duration", "histogram", "s", "Duration of calls of a cache's verbs."
)
CONNECTION_COUNT: Final = Metric(
    "db.client.connection.count",
    "updowncounter",
    "{connection}",
    "Connections of this process, idle and used.",
)
CONNECTION_MAX: Final = Metric(
    "db.client.connection.max", "updowncounter", "{connection}", "Connections at most."
)
CONNECTION_IDLE_MAX: Final = Metric(
    "db.client.connection.idle.max", "updowncounter", "{connection}", "Idle connections at most."
)
CONNECTION_IDLE_MIN: Final = Metric(
    "db.client.connection.idle.min",
    "updowncounter",
    "{connection}",
    "Connections kept though nobody needs them.",
)
CONNECTION_PENDING: Final = Metric(
    "db.client.connection.pending_requests",
    "updowncounter",
    "{request}",
    "Callers that queue for a connection.",
)
CONNECTION_TIMEOUTS: Final = Metric(
    "db.client.connection.timeouts",
    "counter",
    "{timeout}",
    "Callers that queued for a connection in vain.",
)
CONNECTION_CLOSES: Final = Metric(
    "cachex.connection.closes", "counter", "{connection}", "Connections closed, by reason."
)
BREAKER: Final = Metric(
    "cachex.breaker.state",
    "updowncounter",
    "{pool}",
    "Pools whose circuit breaker is in this state.",
)
LOOKUPS: Final = Metric("cachex.lookups", "counter", "{key}", "Keys looked up, by result.")
WRITES: Final = Metric("cachex.writes", "counter", "{key}", "Keys written.")
DELETES: Final = Metric("cachex.deletes", "counter", "{key}", "Keys removed.")
IO: Final = Metric("cachex.io", "counter", "By", "Bytes of commands sent and of strings received.")
RETRIES: Final = Metric(
    "cachex.retries", "counter", "{retry}", "Operations sent again after trouble."
)
REDIRECTS: Final = Metric(
    "cachex.redirects", "counter", "{redirect}", "Operations sent again to follow MOVED or ASK."
)
REFRESHES: Final = Metric(
    "cachex.topology.refreshes", "counter", "{refresh}", "Looks at the topology, by trigger."
)
NODES: Final = Metric(
    "cachex.topology.node.count", "updowncounter", "{node}", "Servers that are known, by role."
)
FAILOVERS: Final = Metric(
    "cachex.failovers", "counter", "{failover}", "Primaries whose place another server took."
)

METRICS: Final = tuple(one for one in list(globals().values()) if isinstance(one, Metric))
