"""A weighted semaphore under one key: the scripts that decide, and how long to wait for them.

The key is a sorted set, so that everything about one semaphore is on one server and every step
costs what a few look-ups cost, however many there are:

    h:<weight>:<token>   somebody holds it; the score is the end of the lease
    a:<weight>:<token>   somebody waits; the score is until when he is believed to be alive
    w:<weight>:<token>   the same one's turn, a score far below 0: who came first is first
    u                    what is held in all, as a score of that many below 0

Times are the server's, in milliseconds. Whatever has ended is taken away before anything is
decided. The key ends with the last of its leases.
"""

from cachex_client import commands
from cachex_client._core.shapes import flag, integer

LARGEST = 1_000_000_000  # the capacity that the scores leave room for
WAITER_LIVES = 2_000  # milliseconds: who has not asked for so long has left the queue
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.25  # seconds
NEXT_ONES_PAUSE = 0.05  # the longest for those whose turn it is as soon as there is room

_CLEAN_UP = b"""
local key = KEYS[1]
local time = redis.call('TIME')
local micro = time[1] * 1000000 + time[2]
local now, soon = math.floor(micro / 1000), math.ceil(micro / 1000)
local function text(number) return string.format('%.0f', number) end
local function weight_of(member) return tonumber(string.match(member, ':(%d+):')) end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(0', text(now))) do
    redis.call('ZREM', key, member)
    if string.sub(member, 1, 1) == 'h' then
        redis.call('ZINCRBY', key, weight_of(member), 'u')
    else
        redis.call('ZREM', key, 'w' .. string.sub(member, 2))
    end
end
local function settle()
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    if #last == 0 or tonumber(last[2]) <= 0 then
        redis.call('DEL', key)
    else
        redis.call('PEXPIREAT', key, text(tonumber(last[2])))
    end
end
local mine = ARGV[1]
"""

# Room is kept for everybody who came before, so that a heavy one is not overtaken for ever; who
# fits beside them goes in at once. Looking at more of them than there is room for is no use, as
# each weighs 1 at least.
_ACQUIRE = commands.Script(
    _CLEAN_UP
    + b"""
local weight, capacity = tonumber(ARGV[2]), tonumber(ARGV[3])
local lease, patience = tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('ZSCORE', key, 'h' .. mine) then
    return -1
end
local turn = redis.call('ZSCORE', key, 'w' .. mine)
local before = '(' .. (turn or '-1000000000000')
local free = capacity + tonumber(redis.call('ZSCORE', key, 'u') or 0)
if free >= weight then
    for _, member in ipairs(
        redis.call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', 0, free + 1)
    ) do
        free = free - weight_of(member)
    end
end
local ahead = 0
if free >= weight then
    redis.call('ZREM', key, 'w' .. mine, 'a' .. mine)
    redis.call('ZADD', key, text(soon + lease), 'h' .. mine)
    redis.call('ZINCRBY', key, -weight, 'u')
    ahead = -1
elseif patience > 0 then
    if not turn then
        redis.call('ZADD', key, text(micro - 9000000000000000), 'w' .. mine)
    end
    redis.call('ZADD', key, text(soon + patience), 'a' .. mine)
    ahead = redis.call('ZCOUNT', key, '-inf', before)
else
    redis.call('ZREM', key, 'w' .. mine, 'a' .. mine)
end
settle()
return ahead
"""
)
_RELEASE = commands.Script(
    _CLEAN_UP
    + b"""
redis.call('ZREM', key, 'w' .. mine, 'a' .. mine)
local held = redis.call('ZREM', key, 'h' .. mine)
if held == 1 then
    redis.call('ZINCRBY', key, weight_of(mine), 'u')
end
settle()
return held
"""
)
_EXTEND = commands.Script(
    _CLEAN_UP
    + b"""
local held = redis.call('ZSCORE', key, 'h' .. mine)
if held then
    redis.call('ZADD', key, text(soon + tonumber(ARGV[2])), 'h' .. mine)
end
settle()
return held and 1 or 0
"""
)


def acquire(
    key: bytes, claim: bytes, weight: int, capacity: int, lease: int, *, queue: bool
) -> commands.Scripted[int]:
    """Take a share; -1 if it was taken, else how many stand before this one, as `queue` asks.

    `claim` is what `claim_of` made, `lease` milliseconds. Without `queue` the place in the queue
    is given up, if there was one.
    """
    patience = WAITER_LIVES if queue else 0
    numbers = (weight, capacity, lease, patience)
    return commands.Scripted(_ACQUIRE, (key,), (claim, *(b"%d" % one for one in numbers)), integer)


def release(key: bytes, claim: bytes) -> commands.Scripted[bool]:
    """Give a share back, or a place in the queue; False if the share was not held any more."""
    return commands.Scripted(_RELEASE, (key,), (claim,), flag)


def extend(key: bytes, claim: bytes, lease: int) -> commands.Scripted[bool]:
    """Let a lease end in so many milliseconds; False if it has ended."""
    return commands.Scripted(_EXTEND, (key,), (claim, b"%d" % lease), flag)


def claim_of(weight: int, token: bytes) -> bytes:
    """Return how the scripts call a share of this weight; `token` is nobody else's."""
    return b":%d:%s" % (weight, token)


def pause(attempt: int, ahead: int, capacity: int, chance: float) -> float:
    """Return the seconds to wait before asking again; `chance` is a random number in [0, 1).

    Those who may be next ask more often than those far behind.
    """
    longest = NEXT_ONES_PAUSE if ahead < capacity else LONGEST_PAUSE
    return min(longest, SHORTEST_PAUSE * 2.0 ** min(attempt, 10)) * (0.5 + chance)
