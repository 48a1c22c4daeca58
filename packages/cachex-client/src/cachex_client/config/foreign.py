"""Options that other backends have: those that mean something here, and what to write instead."""

from collections.abc import Mapping

from cachex_client.config import readers as read
from cachex_client.config.option import Topic, option

OTHERS = Topic(
    "Of other backends",
    (
        option(
            "CONNECTION_POOL_KWARGS",
            "",
            read.MAPPING,
            "",
            "A dict of the options of this page, as django-redis has them.",
            "REDIS_CLIENT_KWARGS",
            "BASE_CLIENT_KWARGS",
        ),
        option("MAX_ENTRIES", "", read.ANYTHING, "", "Accepted; the server's maxmemory decides."),
        option("CULL_FREQUENCY", "", read.ANYTHING, "", "Accepted; the server's policy decides."),
        option(
            "CLOSE_CONNECTION",
            "",
            read.only(
                False,
                instead="connections belong to the process and outlive a request: set MAX_IDLE",
            ),
            "False",
            "Accepted when False: the end of a request closes nothing.",
            setting=True,
        ),
        option(
            "REPLICA_READ_ONLY",
            "",
            read.only(True, instead="write only the servers that may be written to in LOCATION"),
            "True",
            "Accepted when True: replicas are never written to.",
        ),
        option(
            "DECODE_RESPONSES",
            "",
            read.only(False, instead="a SERIALIZER turns the stored bytes into values"),
            "False",
            "Accepted when False.",
        ),
        option(
            "RETRY_ON_TIMEOUT",
            "",
            read.only(True, instead="RETRY=False, which asks no server twice"),
            "True",
            "Accepted when True: whatever may be sent twice is retried within TIMEOUT.",
        ),
        option(
            "CONNECTION_POOL_CLASS",
            "",
            read.stock(
                "ConnectionPool",
                "BlockingConnectionPool",
                "SentinelConnectionPool",
                instead="MAX_CONNECTIONS etc.",
            ),
            "",
            "Accepted when it is one of redis-py's own; the pool is always cachex_pool's.",
            "POOL_CLASS",
        ),
        option(
            "PARSER_CLASS",
            "",
            read.stock(
                "DefaultParser",
                "PythonParser",
                "HiredisParser",
                "_HiredisParser",
                "_RESP2Parser",
                "_RESP3Parser",
                "_AsyncHiredisParser",
                "_AsyncRESP2Parser",
                "_AsyncRESP3Parser",
                instead="PROTOCOL=2 or 3; hiredis always reads",
            ),
            "",
            "Accepted when it is one of redis-py's own; hiredis always reads.",
            "PARSER_CLS",
        ),
        option(
            "REDIS_CLIENT_CLASS",
            "",
            read.stock(
                "Redis",
                "StrictRedis",
                "RedisCluster",
                instead="get_redis_connection(), a redis.Redis",
            ),
            "",
            "Accepted when it is redis-py's own; get_redis_connection() returns a redis.Redis.",
            "BASE_CLIENT_CLASS",
        ),
    ),
)

_IN_LOCATION = "LOCATION says where the servers are"
_IN_NAME = "CLIENT_NAME is what a server shows of us"
_IN_CONTEXT = "an SSL_CONTEXT can have any flags"
_NO_OCSP = "an SSL_CONTEXT can check certificates by other rules; it does not ask by OCSP"
_NO_MAINTENANCE = "leave it out: a server that goes away is noticed"

# Options of other backends that nothing here corresponds to, and what to write instead.
REFUSED: Mapping[str, str] = {
    "IS_MASTER": "it belongs into a URL of Sentinel's, redis://service_name/0?is_master=0;"
    " of other LOCATION lists the first server is the primary",
    "SERVICE_NAME": "it is the host of LOCATION, redis://service_name/0",
    "MIN_OTHER_SENTINELS": "whom most Sentinels name is the primary",
    "STARTUP_NODES": "LOCATION names the nodes that are asked first",
    "DYNAMIC_STARTUP_NODES": "all nodes are asked, those of LOCATION for ever",
    "READ_FROM_REPLICAS": "READ_FROM='replica_preferred' has replicas answer reads",
    "LOAD_BALANCING_STRATEGY": "READ_FROM says who answers reads",
    "REQUIRE_FULL_COVERAGE": "keys of slots that are served can always be used",
    "REINITIALIZE_STEPS": "the cluster is looked at again whenever its map proves wrong",
    "CLUSTER_ERROR_RETRY_ATTEMPTS": "RETRY says how often something is sent again",
    "HOST": _IN_LOCATION,
    "PORT": _IN_LOCATION,
    "PATH": _IN_LOCATION,
    "UNIX_SOCKET_PATH": _IN_LOCATION,
    "CONNECTION_POOL": "there is a pool for each server; MAX_CONNECTIONS says how large",
    "SENTINEL_MANAGER": "SENTINELS says where the Sentinels are",
    "SINGLE_CONNECTION_CLIENT": "MAX_CONNECTIONS=1 is one connection",
    "QUEUE_CLASS": "callers wait in the order they came",
    "REDIS_CONNECT_FUNC": "USERNAME, PASSWORD, CREDENTIAL_PROVIDER, DB and CLIENT_NAME say what is"
    " told to a server first",
    "LIB_NAME": _IN_NAME,
    "LIB_VERSION": _IN_NAME,
    "DRIVER_INFO": _IN_NAME,
    "PARSER": "hiredis always reads",
    "COMMAND_PACKER": "commands are packed by cachex_pool",
    "LEGACY_RESPONSES": "get_redis_connection() answers as redis-py does with RESP2",
    "SOCKET_READ_SIZE": "leave it out",
    "SOCKET_TYPE": "leave it out: host names are looked up for IPv4 and IPv6",
    "EVENT_DISPATCHER": "leave it out",
    "CACHE_FACTORY": "there is no cache inside the client",
    "HIMPORT_REGISTRY": "leave it out",
    "SSL_INCLUDE_VERIFY_FLAGS": _IN_CONTEXT,
    "SSL_EXCLUDE_VERIFY_FLAGS": _IN_CONTEXT,
    "SSL_VALIDATE_OCSP": _NO_OCSP,
    "SSL_VALIDATE_OCSP_STAPLED": _NO_OCSP,
    "SSL_OCSP_CONTEXT": _NO_OCSP,
    "SSL_OCSP_EXPECTED_CERT": _NO_OCSP,
    "MAINT_NOTIFICATIONS_CONFIG": _NO_MAINTENANCE,
    "MAINT_NOTIFICATIONS_POOL_HANDLER": _NO_MAINTENANCE,
    "OSS_CLUSTER_MAINT_NOTIFICATIONS_HANDLER": _NO_MAINTENANCE,
    "MAINTENANCE_STATE": _NO_MAINTENANCE,
    "MAINTENANCE_NOTIFICATION_HASH": _NO_MAINTENANCE,
    "ORIG_HOST_ADDRESS": _NO_MAINTENANCE,
    "ORIG_SOCKET_TIMEOUT": _NO_MAINTENANCE,
    "ORIG_SOCKET_CONNECT_TIMEOUT": _NO_MAINTENANCE,
    "CONNECTION_CLASS": "a rediss:// or unix:// URL in LOCATION says how to connect",
    "RETRY_ON_ERROR": "what may be sent twice is retried, see RETRY",
    "SOCKET_KEEPALIVE_OPTIONS": "SOCKET_KEEPALIVE switches keep-alive on and off",
    "CACHE": "there is no cache inside the client",
    "CACHE_CONFIG": "there is no cache inside the client",
    "ENCODING": "keys are UTF-8 and values belong to the SERIALIZER",
    "ENCODING_ERRORS": "keys are UTF-8 and values belong to the SERIALIZER",
    "STAMPEDE_PREVENTION": "it is not available",
    "TRACKING": "it is not available",
}
