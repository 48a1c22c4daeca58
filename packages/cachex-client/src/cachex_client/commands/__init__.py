"""The commands that the package speaks itself, one small function each.

Each returns a `Command`: nothing here touches a socket. Keys and values are bytes, times are whole
milliseconds unless the name says otherwise, and a function is called what the server calls the
command. For anything else there is `custom`.
"""

from cachex_client.commands.custom import custom
from cachex_client.commands.keys import (
    delete,
    exists,
    expire,
    expireat,
    expiretime,
    memory_usage,
    persist,
    pexpire,
    pexpireat,
    pttl,
    rename,
    renamenx,
    scan,
    ttl,
    type,
    unlink,
)
from cachex_client.commands.scripts import (
    Script,
    Scripted,
    eval_,
    evalsha,
    script_exists,
    script_flush,
    script_load,
    script_of,
)
from cachex_client.commands.server import config_get, dbsize, flushdb, info, ping, role
from cachex_client.commands.strings import (
    decrby,
    get,
    getdel,
    getex,
    incrby,
    mget,
    set,
    set_each,
    strlen,
)

__all__ = [
    # strings
    "decrby",
    "get",
    "getdel",
    "getex",
    "incrby",
    "mget",
    "set",
    "set_each",
    "strlen",
    # keys
    "delete",
    "exists",
    "expire",
    "expireat",
    "expiretime",
    "memory_usage",
    "persist",
    "pexpire",
    "pexpireat",
    "pttl",
    "rename",
    "renamenx",
    "scan",
    "ttl",
    "type",
    "unlink",
    # scripts
    "Script",
    "Scripted",
    "eval_",
    "evalsha",
    "script_exists",
    "script_flush",
    "script_load",
    "script_of",
    # server
    "config_get",
    "dbsize",
    "flushdb",
    "info",
    "ping",
    "role",
    # anything else
    "custom",
]
