"""The generic cell rate algorithm under one key, on the server's clock.

What was used drains away evenly, `limit` in each `period`; something is allowed if what is used
then is not above the limit. So a burst may be as large as the limit, and over time there is no
more than that in each period, with no window at whose edge there could be twice as much.

The key holds when its counting began, what was counted since, and at which rate it drains:
`start:count:limit:period`. Its level is reckoned anew from these each time, so that fractions of
a microsecond do not add up. It ends when nothing is used any more.
"""

from datetime import timedelta
from operator import index
from typing import Any

from cachex_client import commands
from cachex_client._core.wrong_replies import reads
from cachex_client.errors import ConfigurationError
from cachex_client.limits import RateLimit

MICRO = 1_000_000
LONGEST = 8e9  # seconds, about 250 years: what there is room for
SHORTEST = 1 / MICRO  # seconds: what the servers count in
LARGEST = 10**15  # what the server's arithmetic counts exactly

# A limit that was changed keeps how long there is to wait, not how much was counted. A clock that
# was set back, or a new primary whose clock is behind, stops the draining and no more.
_TAKE = commands.Script(
    b"""
local key = KEYS[1]
local limit, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, patience = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.17g', number) end
local start, count, used = now, 0, 0
local stored = redis.call('GET', key)
if stored then
    local began, counted, old_limit, old_period =
        string.match(stored, '^([%d.e+]+):([%d.e+-]+):(%d+):(%d+)$')
    if not began then
        return redis.error_reply('WRONGTYPE the key holds something else than a rate limit')
    end
    start, count = tonumber(began), tonumber(counted)
    old_limit, old_period = tonumber(old_limit), tonumber(old_period)
    local passed = math.max(0, now - start)
    if old_limit ~= limit or old_period ~= period then
        count = math.max(0, count * old_period / old_limit - passed) * limit / period
        start, passed = now, 0
    elseif now < start then
        start = now
    end
    used = count - passed * limit / period
    if used <= 0 then
        start, count, used = now, 0, 0
    end
end
local wait = math.max(0, (used + cost - limit) * period / limit)
if wait < 0.001 then
    wait = 0
end
local allowed = wait <= patience
if allowed and cost > 0 then
    used = used + cost
    local left = used * period / limit
    redis.call(
        'SET', key,
        text(start) .. ':' .. text(count + cost) .. ':' .. text(limit) .. ':' .. text(period),
        'PX', string.format('%.0f', math.max(1, math.ceil(left / 1000)))
    )
end
return {
    allowed and 1 or 0,
    math.max(0, limit - math.ceil(used - 0.000001)),
    string.format('%.0f', math.ceil(wait)),
    string.format('%.0f', math.ceil(used * period / limit))
}
"""
)


def take(
    key: bytes,
    limit: int,
    period: float | timedelta,
    cost: int = 1,
    patience: float | None = 0.0,
) -> commands.Scripted[RateLimit]:
    """
    Count `cost` if at most `limit` in each `period` of seconds allow it.

    With `patience` (seconds, None for ever) it is counted too if it is allowed that soon:
    `retry_after` then says when. ConfigurationError if it could never be allowed.
    """
    if isinstance(period, timedelta):
        period = period.total_seconds()
    limit, cost = index(limit), index(cost)
    if not (1 <= limit <= LARGEST and SHORTEST <= period <= LONGEST):
        raise ConfigurationError(
            f"a rate limit is 1 to {LARGEST} in a period above 0 and up to {LONGEST:.0f} s,"
            f" not {limit} in {period} s"
        )
    period_us = round(period * MICRO)
    if not 0 <= cost <= limit:
        raise ConfigurationError(f"a cost of {cost} is not between 0 and the limit of {limit}")
    seconds = LONGEST if patience is None else max(0.0, min(LONGEST, patience))

    @reads("four whole numbers")
    def read(reply: list[Any]) -> RateLimit:
        allowed, remaining, wait, reset = map(int, reply)
        return RateLimit(bool(allowed), limit, remaining, wait / MICRO, reset / MICRO)

    numbers = (limit, period_us, cost, round(seconds * MICRO))
    return commands.Scripted(_TAKE, (key,), tuple(b"%d" % one for one in numbers), read)
