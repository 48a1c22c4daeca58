"""
Every OPTIONS entry there is, each defined once.

`entry.py` reads an entry of Django's CACHES by this table, and the reference is written from it.
A name may be given in upper or in lower case, in OPTIONS, in CONNECTION_POOL_KWARGS or
in the query of a LOCATION URL.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cachex_client.config import readers as read
from cachex_client.config.foreign import OTHERS
from cachex_client.config.option import Option, Topic, option
from cachex_client.config.topologies import CLUSTER, SENTINEL

_CLIENT = Topic(
    "Client",
    (
        option(
            "CLIENT_CLASS",
            "cache.client_class",
            read.NAMED_CLASS,
            "django_cachex.client.DefaultClient",
            "The client: which servers there are and which of them gets a command.",
        ),
        option(
            "CONNECTION_FACTORY",
            "cache.connection_factory",
            read.NAMED_CLASS,
            "that of CLIENT_CLASS",
            "What makes the client's connections from this configuration.",
            setting=True,
        ),
        option(
            "TIMEOUT",
            "client.timeout",
            read.SECONDS,
            "5",
            "Seconds one call may take at most: waiting for a connection, connecting, retrying.",
            "SOCKET_TIMEOUT",
            "DEADLINE",
        ),
        option(
            "READ_FROM",
            "client.read_from",
            read.READ_FROM,
            "replica_preferred; primary in a cluster or with a single Sentinel URL",
            "Which server answers reads: primary, primary_preferred, replica, replica_preferred,"
            " any, nearest, or a function.",
        ),
        option(
            "READ_YOUR_WRITES",
            "client.read_your_writes",
            read.SECONDS_OR_OFF,
            "0.5",
            "Seconds for which a thread or task that wrote reads from the primary; 0 for never.",
        ),
        option(
            "SCAN_TIMEOUT",
            "client.scan_timeout",
            read.SECONDS,
            "600",
            "Seconds that one keys(), iter_keys(), delete_pattern(), clear(), hscan_iter() or the"
            " like may take, without what you do in between.",
        ),
        option(
            "RETRY",
            "client.retry",
            read.RETRY,
            "on",
            "A dict of RetryOptions; False asks no server twice.",
        ),
    ),
)

_TOPOLOGY = Topic(
    "Sentinel and Cluster",
    (
        option(
            "SENTINELS",
            "topology.sentinels",
            read.SENTINELS,
            "",
            "Where the Sentinels are: [(host, port), ...]; SentinelClient only.",
            of=(SENTINEL,),
        ),
        option(
            "SENTINEL_KWARGS",
            "topology.sentinel_kwargs",
            read.MAPPING,
            "",
            "How to connect to the Sentinels: USERNAME, PASSWORD, CREDENTIAL_PROVIDER, CLIENT_NAME,"
            " PROTOCOL, SSL=True and the SSL_ options, SOCKET_TIMEOUT; SentinelClient only.",
            secret=True,
            of=(SENTINEL,),
        ),
        option(
            "ADDRESS_REMAP",
            "topology.address_remap",
            read.FUNCTION,
            "",
            "Path or function that turns an announced (host, port) into one that can be reached;"
            " SentinelClient and ClusterClient only.",
            of=(SENTINEL, CLUSTER),
        ),
        option(
            "ALLOWED_HOSTS",
            "topology.allowed_hosts",
            read.ALLOWED_HOSTS,
            "any",
            "The hosts that Sentinels and nodes may name, beside those configured here: names,"
            " domains such as '.example.com', addresses and networks such as '10.0.0.0/8'. Checked"
            " before anything is sent there; SentinelClient and ClusterClient only.",
            of=(SENTINEL, CLUSTER),
        ),
    ),
)

_LOGIN = Topic(
    "Logging in",
    (
        option(
            "USERNAME", "endpoint.username", read.TEXT, "", "User name, unless the URL has one."
        ),
        option(
            "PASSWORD",
            "endpoint.password",
            read.TEXT,
            "",
            "Password, unless the URL has one.",
            secret=True,
        ),
        option(
            "CREDENTIAL_PROVIDER",
            "endpoint.credentials",
            read.CREDENTIALS,
            "",
            "A redis-py CredentialProvider or a function, asked at every connect.",
            "CREDENTIALS",
            secret=True,
        ),
        option(
            "DB", "endpoint.db", read.COUNT_OR_NONE, "0", "Database number, unless the URL has one."
        ),
        option("CLIENT_NAME", "endpoint.client_name", read.TEXT, "", "Name shown by CLIENT LIST."),
        option("PROTOCOL", "endpoint.protocol", read.PROTOCOL, "3", "RESP version to ask for."),
        option(
            "MINIMAL_HANDSHAKE",
            "endpoint.minimal_handshake",
            read.FLAG,
            "False",
            "Connect without HELLO and CLIENT, on which some proxies hang up. Without it, that is"
            " tried once they did.",
        ),
    ),
)

_TLS = Topic(
    "TLS (rediss:// and valkeys://)",
    (
        option(
            "SSL_CA_CERTS",
            "tls.ca_certs",
            read.AUTHORITIES,
            "the system's",
            "File of trusted authorities.",
        ),
        option(
            "SSL_CA_PATH", "tls.ca_path", read.AUTHORITIES, "", "Folder of trusted authorities."
        ),
        option(
            "SSL_CA_DATA",
            "tls.ca_data",
            read.PEM,
            "",
            "Trusted authorities as PEM text.",
            secret=True,
        ),
        option("SSL_CERTFILE", "tls.certfile", read.PATH, "", "File of our own certificate."),
        option("SSL_KEYFILE", "tls.keyfile", read.PATH, "", "File of its private key."),
        option(
            "SSL_PASSWORD",
            "tls.keyfile_password",
            read.TEXT,
            "",
            "Password of the private key.",
            "SSL_KEYFILE_PASSWORD",
            secret=True,
        ),
        option(
            "SSL_CHECK_HOSTNAME",
            "tls.check_hostname",
            read.FLAG,
            "True",
            "Whether the certificate has to name the host of the URL.",
        ),
        option(
            "SSL_CERT_REQS",
            "tls.verify",
            read.VERIFY,
            "required",
            "Whether the server's certificate is checked: required, optional or none.",
        ),
        option(
            "SSL_MIN_VERSION",
            "tls.min_version",
            read.TLS_VERSION,
            "Python's",
            "Oldest TLS version spoken, such as ssl.TLSVersion.TLSv1_3.",
        ),
        option("SSL_CIPHERS", "tls.ciphers", read.TEXT, "Python's", "Ciphers up to TLS 1.2."),
        option(
            "SSL_CONTEXT",
            "tls.context",
            read.TLS_CONTEXT,
            "",
            "An ssl.SSLContext in place of all the above.",
        ),
        option("SSL", "", read.FLAG, "by the URL", "Accepted with a TLS URL, which says the same."),
    ),
)

_POOL = Topic(
    "Connections, per process and server",
    (
        option(
            "MAX_CONNECTIONS",
            "pool.max_size",
            read.POSITIVE,
            "50",
            "Connections at most; callers beyond that wait their turn.",
            "MAX_SIZE",
        ),
        option(
            "MIN_CONNECTIONS",
            "pool.min_size",
            read.COUNT,
            "0",
            "Connections kept open when nobody needs them.",
            "MIN_SIZE",
        ),
        option(
            "MAX_WAITING",
            "pool.max_waiting",
            read.COUNT,
            "20 times MAX_CONNECTIONS",
            "Callers that may wait for a connection; one more is refused at once.",
        ),
        option(
            "SOCKET_CONNECT_TIMEOUT",
            "pool.connect_timeout",
            read.SECONDS,
            "1",
            "Seconds for connecting, TLS and logging in together.",
            "CONNECT_TIMEOUT",
        ),
        option(
            "MAX_IDLE",
            "pool.max_idle",
            read.SECONDS,
            "300",
            "Seconds until an unused one is closed.",
        ),
        option(
            "MAX_LIFETIME",
            "pool.max_lifetime",
            read.SECONDS,
            "1800",
            "Seconds until any connection is closed and replaced.",
        ),
        option(
            "HEALTH_CHECK_INTERVAL",
            "pool.alive_bypass",
            read.LOOK_AFTER,
            "0.002",
            "Seconds a connection may have been idle and still be lent without a look at it;"
            " more than the default counts as the default.",
            "ALIVE_BYPASS",
        ),
        option(
            "SOCKET_KEEPALIVE", "pool.keepalive", read.FLAG, "True", "TCP keep-alive.", "KEEPALIVE"
        ),
        option(
            "LEAK_AFTER",
            "pool.leak_after",
            read.SECONDS,
            "never",
            "Seconds after which a connection that is still lent is reported with its owner.",
        ),
        option(
            "BREAKER",
            "pool.breaker",
            read.BREAKER,
            "on; after 5 failures in a row, with IGNORE_EXCEPTIONS after one",
            "A dict of BreakerOptions; False never gives a server up for a moment.",
        ),
    ),
)

_VALUES = Topic(
    "Keys and values",
    (
        option(
            "SERIALIZER",
            "cache.serializers",
            read.SERIALIZERS,
            "pickle",
            "pickle, json, msgpack, orjson, a path, class or object; of a list the first writes"
            " and all may read.",
        ),
        option(
            "COMPRESSOR",
            "cache.compressors",
            read.COMPRESSORS,
            "none",
            "zlib, gzip, bz2, lzma, lz4, zstd, a path, class or object; of a list the first writes"
            " and all may read.",
        ),
        option(
            "MAX_DECOMPRESSED_SIZE",
            "cache.max_decompressed",
            read.SIZE,
            "134217728 (128 MiB)",
            "Bytes that a value may have once it is decompressed; what would be larger is not read,"
            " and is stored uncompressed. None for no limit.",
        ),
        option(
            "PICKLE_VERSION",
            "cache.pickle_version",
            read.PICKLE_VERSION,
            "Python's default",
            "Pickle protocol of the stock serializer; -1 for the highest.",
        ),
        option(
            "SIGNING_KEY",
            "cache.signing_keys",
            read.SIGNING_KEYS,
            "unsigned",
            "Sign what is stored, refuse what is not signed: a key, a list of keys of which the"
            " first signs, or True for SECRET_KEY and its fallbacks.",
            secret=True,
        ),
        option(
            "SIGNING_BINDS_KEY",
            "cache.signing_binds_key",
            read.FLAG,
            "True",
            "Whether a value is signed for the key it is stored under, so that it is worth nothing"
            " under another one. False is for those who rename keys on the server.",
        ),
        option(
            "SIGNING_PLAIN_INTEGERS",
            "cache.signing_plain_integers",
            read.FLAG,
            "True",
            "Whether whole numbers are stored and read without a signature, so that incr() can add"
            " to them. False signs them, and refuses to count.",
        ),
        option(
            "SIGNING_ACCEPT_UNSIGNED",
            "cache.signing_accepts_unsigned",
            read.FLAG,
            "False",
            "Read what has no signature, too, while values from before there was a SIGNING_KEY are"
            " still stored. Whoever can write to the server can then run code with pickle.",
        ),
        option(
            "REVERSE_KEY_FUNCTION",
            "cache.reverse_key_function",
            read.FUNCTION,
            "the inverse of Django's",
            "Path or function that takes a stored key apart, for keys() with a KEY_FUNCTION.",
        ),
        option(
            "CLEAR",
            "cache.clear",
            read.CLEAR,
            "prefix",
            "What clear() removes: prefix for the keys of this cache alone; database for everything"
            " in the database on every primary (FLUSHDB), which is for whoever owns it.",
        ),
        option(
            "OTHER_PREFIXES",
            "cache.other_prefixes",
            read.PREFIXES,
            "those of the other entries of CACHES; without Django unknown",
            "Key prefixes that others have in the same database: keys(), iter_keys(),"
            " delete_pattern() and clear() leave their keys alone. A list, be it empty, says that"
            " there are no more, but for the other entries of CACHES.",
        ),
        option(
            "SCAN_ITERSIZE",
            "cache.scan_itersize",
            read.POSITIVE,
            "1000",
            "Keys asked for at a time by keys(), iter_keys(), delete_pattern() and clear().",
            setting=True,
        ),
    ),
)

_FAILURES = Topic(
    "When no server answers",
    (
        option(
            "IGNORE_EXCEPTIONS",
            "cache.ignore_exceptions",
            read.FLAG,
            "False",
            "Answer as an empty cache would while the server is away, instead of raising.",
            setting=True,
        ),
        option(
            "LOG_IGNORED_EXCEPTIONS",
            "cache.log_ignored_exceptions",
            read.FLAG,
            "False",
            "Log each such error, not only the beginning and the end of an outage.",
            "LOG_IGNORE_EXCEPTIONS",
            setting=True,
        ),
        option(
            "LOGGER",
            "cache.logger",
            read.TEXT,
            "django_cachex.failures",
            "Name of the logger that hears of outages.",
            setting=True,
        ),
    ),
)

TOPICS = (_CLIENT, _TOPOLOGY, _LOGIN, _TLS, _POOL, _VALUES, _FAILURES, OTHERS)


def every_option() -> Iterator[Option]:
    """Yield all options in the order of the reference."""
    for topic in TOPICS:
        yield from topic.options


BY_NAME: Mapping[str, Option] = {name: option for option in every_option() for name in option.names}


def describe() -> list[dict[str, Any]]:
    """Return the table as plain dicts, one per option, for the reference."""
    return [
        {
            "topic": topic.title,
            "name": option.name,
            "aliases": option.aliases,
            "expects": option.reader.expects,
            "default": option.default,
            "doc": option.doc,
        }
        for topic in TOPICS
        for option in topic.options
    ]
