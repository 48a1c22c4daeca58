"""Random faults, one after another; the same ones again for the same seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from support.proxy import Proxy


def faults(proxy: Proxy, dice: random.Random) -> dict[str, Callable[[], None]]:
    """Return what can befall a connection to an honest server.

    An honest server never answers what was not asked, nor leaves out an answer: such faults are
    not among these, as nobody can tell whose answer is missing.
    """
    return {
        "cut": proxy.cut_all,
        "reset": lambda: proxy.cut_all(reset=True),
        "truncate": lambda: proxy.truncate_reply(dice.randrange(20)),
        "truncate GET": lambda: proxy.truncate_reply(dice.randrange(2000), to="GET"),
        "cut request": proxy.cut_request,
        "cut reply": lambda: proxy.cut_reply(nth=dice.randrange(1, 5), times=3),
        "blackhole": proxy.blackhole,
        "half open": proxy.half_open,
        "freeze": proxy.freeze,
        "delay": lambda: proxy.delay(dice.random() * 0.1),
        "refuse": proxy.refuse,
        "accept then close": proxy.accept_then_close,
        "reset on use": proxy.reset_on_use,
        "split": proxy.split_every_byte,
        "garbage": lambda: proxy.garbage(nth=dice.randrange(1, 5)),
    }


def storm(proxy: Proxy, seed: int, seconds: float, longest: float = 0.3) -> list[str]:
    """Let faults of up to `longest` seconds befall a proxy for `seconds`; return their names.

    The proxy is healed at the end.
    """
    dice = random.Random(seed)
    possible = faults(proxy, dice)
    names = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        names.append(dice.choice(sorted(possible)))
        possible[names[-1]]()
        time.sleep(dice.random() * longest)
        proxy.heal()
        time.sleep(dice.random() * 0.1)
    return names
