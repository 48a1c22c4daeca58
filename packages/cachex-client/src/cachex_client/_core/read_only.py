"""What a cache that is only read from may send."""

from collections.abc import Sequence
from typing import Any

from cachex_client._core.specs import CONTAINERS, SPECS
from cachex_client.command import Argument, Command
from cachex_client.errors import CacheIsReadOnly

# Commands of Valkey 9 and Redis 7.2 that are not flagged `readonly`, as no key is read, and that
# change nothing that anybody else would see.
_HARMLESS = frozenset(
    one.replace("|", " ")
    for one in """
    ASKING AUTH DISCARD ECHO EXEC HELLO INFO LASTSAVE MONITOR MULTI PING PSUBSCRIBE PUNSUBSCRIBE
    QUIT READONLY READWRITE RESET ROLE SELECT SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE TIME UNSUBSCRIBE
    UNWATCH WAIT WAITAOF WATCH
    ACL|CAT ACL|DRYRUN ACL|GENPASS ACL|GETUSER ACL|HELP ACL|LIST ACL|USERS ACL|WHOAMI
    CLIENT|CAPA CLIENT|CACHING CLIENT|GETNAME CLIENT|GETREDIR CLIENT|HELP CLIENT|ID CLIENT|INFO
    CLIENT|LIST CLIENT|NO-EVICT CLIENT|NO-TOUCH CLIENT|REPLY CLIENT|SETINFO CLIENT|SETNAME
    CLIENT|TRACKING CLIENT|TRACKINGINFO
    CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|COUNTKEYSINSLOT CLUSTER|GETKEYSINSLOT
    CLUSTER|GETSLOTMIGRATIONS CLUSTER|HELP CLUSTER|INFO CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|MYID
    CLUSTER|MYSHARDID CLUSTER|NODES CLUSTER|REPLICAS CLUSTER|SHARDS CLUSTER|SLAVES
    CLUSTER|SLOT-STATS CLUSTER|SLOTS
    COMMAND COMMAND|COUNT COMMAND|DOCS COMMAND|GETKEYS COMMAND|GETKEYSANDFLAGS COMMAND|HELP
    COMMAND|INFO COMMAND|LIST
    COMMANDLOG|GET COMMANDLOG|HELP COMMANDLOG|LEN CONFIG|GET CONFIG|HELP
    FUNCTION|DUMP FUNCTION|HELP FUNCTION|LIST FUNCTION|STATS
    LATENCY|DOCTOR LATENCY|GRAPH LATENCY|HELP LATENCY|HISTOGRAM LATENCY|HISTORY LATENCY|LATEST
    MEMORY|DOCTOR MEMORY|HELP MEMORY|MALLOC-STATS MEMORY|STATS MODULE|HELP MODULE|LIST OBJECT|HELP
    PUBSUB|CHANNELS PUBSUB|HELP PUBSUB|NUMPAT PUBSUB|NUMSUB PUBSUB|SHARDCHANNELS PUBSUB|SHARDNUMSUB
    SCRIPT|EXISTS SCRIPT|HELP SCRIPT|SHOW SLOWLOG|GET SLOWLOG|HELP SLOWLOG|LEN XGROUP|HELP
    XINFO|HELP
    """.split()
)

# What the modules that Redis 8 ships with flag `readonly`.
_OF_MODULES = frozenset(
    """
    BF.CARD BF.EXISTS BF.INFO BF.MEXISTS BF.SCANDUMP
    CF.COUNT CF.EXISTS CF.INFO CF.MEXISTS CF.SCANDUMP
    CMS.INFO CMS.QUERY
    FT.AGGREGATE FT.DICTDUMP FT.EXPLAIN FT.EXPLAINCLI FT.INFO FT.PROFILE FT.SEARCH FT.SPELLCHECK
    FT.SUGGET FT.SUGLEN FT.SYNDUMP FT.TAGVALS FT._LIST
    JSON.ARRINDEX JSON.ARRLEN JSON.GET JSON.MGET JSON.OBJKEYS JSON.OBJLEN JSON.RESP JSON.STRLEN
    JSON.TYPE
    TDIGEST.BYRANK TDIGEST.BYREVRANK TDIGEST.CDF TDIGEST.INFO TDIGEST.MAX TDIGEST.MIN
    TDIGEST.QUANTILE TDIGEST.RANK TDIGEST.REVRANK TDIGEST.TRIMMED_MEAN
    TOPK.COUNT TOPK.INFO TOPK.LIST TOPK.QUERY
    TS.GET TS.INFO TS.MGET TS.MRANGE TS.MREVRANGE TS.QUERYINDEX TS.RANGE TS.REVRANGE
    VCARD VDIM VEMB VGETATTR VINFO VISMEMBER VLINKS VRANDMEMBER VRANGE VSIM
    """.split()
)


def name_of(words: Sequence[Argument]) -> str:
    """Return a command's name in capitals, as `"GET"` or `"CONFIG GET"`."""
    name = _text(words[0]).upper()
    if name in CONTAINERS and len(words) > 1:
        return f"{name} {_text(words[1]).upper()}"
    return name


def reads_only(name: str) -> bool:
    """Say whether a command changes no data, and nothing for anybody else.

    A command that is not known does: it may be one of a module, or of a newer server.
    """
    spec = SPECS.get(name)
    return (spec is not None and not spec.write) or name in _HARMLESS or name in _OF_MODULES


class ReadGuard:
    """
    Refuses the commands of a client that do not only read.

    Args:
        service: the name that the error says.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._declared: set[str] = set()

    def __call__(self, words: Sequence[Argument]) -> None:
        """Raise CacheIsReadOnly if a command may write."""
        name = name_of(words)
        if not reads_only(name) and name not in self._declared:
            raise CacheIsReadOnly(self._service, name)

    def check(self, command: Command[Any]) -> None:
        """Do so for a command that may say of itself that it reads, as one of a module does.

        What is known of a command counts more, the other way round too: a read that only the
        primary may answer looks like a write.
        """
        if not command.spec.write:
            name = name_of(command.arguments)
            if name not in SPECS:
                self._declared.add(name)
        self(command.arguments)


def _text(word: Argument) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
