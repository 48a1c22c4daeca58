"""The part of the visit in which primaries are failed over and killed."""

from __future__ import annotations

import time
from typing import Any

from demo.expecting import expect
from demo.stage import Stage
from demo.visitor import Visitor

from support.waiting import Pulse

PROMPT = 0.5
"""Seconds after a promotion in which the last call may fail, if this machine is not late itself."""

LONGEST = 60.0
"""Seconds all of it may take."""


def planned(stage: Stage, visitor: Visitor) -> str:
    """A primary is failed over while traffic runs: no call fails."""
    shown = _follow(stage, visitor, "failover")[-1]
    traffic, action = shown["traffic"], shown["action"]
    expect(
        traffic["errors"] == 0, f"{traffic['errors']} calls failed, the last: {traffic['error']}"
    )
    expect(traffic["calls"] > 100, f"{traffic['calls']} calls: no traffic to speak of")
    _all_is_well(stage, visitor, action)
    return f"{traffic['calls']} calls, the slowest {traffic['slowest']:.0f} ms"


def kill(stage: Stage, visitor: Visitor) -> str:
    """A primary is killed: calls fail until another one is promoted."""
    with Pulse() as pulse:
        seen = _follow(stage, visitor, "kill")
    traffic, action = seen[-1]["traffic"], seen[-1]["action"]
    expect(traffic["errors"] > 0, "nobody noticed: was anything killed?")
    late = traffic["last_error"] - action["promoted"]
    slack = PROMPT + 3 * pulse.worst
    expect(late < slack, f"errors {late:.2f} s after the promotion: {traffic['error']}")
    if stage.kind == "cluster":
        _others_went_on(seen)
    _all_is_well(stage, visitor, action)
    return (
        f"{traffic['errors']} of {traffic['calls']} calls failed, promotion after"
        f" {action['promotion_took']:.2f} s, the last error {late:+.2f} s from it"
    )


def _follow(stage: Stage, visitor: Visitor, what: str) -> list[dict[str, Any]]:
    """Let it happen; return what the page has shown meanwhile, up to its end and a bit beyond."""
    visitor.post("topology/act/", action="traffic")
    time.sleep(0.5)
    visitor.post("topology/act/", action=what)
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + LONGEST
    while not seen or not (seen[-1]["action"]["done"] and seen[-1]["action"]["over"]):
        expect(time.monotonic() < deadline, f"not over after {LONGEST:g} s: {seen[-1:]}")
        time.sleep(0.05)
        seen.append(visitor.get_json("topology/now.json"))
    expect(not seen[-1]["action"]["failure"], f"it did not work: {seen[-1]['action']}")
    visitor.post("topology/act/", action="rest")
    return seen


def _all_is_well(stage: Stage, visitor: Visitor, action: dict[str, Any]) -> None:
    shown = visitor.get_json("topology/now.json")
    leading = [
        [node["name"] for node in shard["nodes"] if node["role"] == "primary"]
        for shard in shown["shards"]
    ]
    expect(leading == [[name] for name in stage.primaries], f"the page shows {leading}")
    expect([action["new"]] in leading, f"{action['new']} has taken over")
    expect(action["old"] != action["new"], "another one")
    expect(action["new"] in visitor.get("topology/"), "the page names the new primary")
    stage.wait_until_replicated()
    keys = visitor.get_json("topology/keys.json")
    expect(keys["found"] == keys["wanted"], f"keys that can be read: {keys}")


def _others_went_on(seen: list[dict[str, Any]]) -> None:
    """No call to another shard fails, and reads there go on while the primary is away."""
    shard = seen[-1]["action"]["shard"]
    for number, shown in enumerate(seen[-1]["shards"]):
        topics = shown["topics"]
        expect(bool(topics), f"shard {number + 1} has traffic")
        if number != shard:
            expect(not any(topic["errors"] for topic in topics), f"other shards: {topics}")
    away = [one for one in seen if one["action"]["happened"] and not one["action"]["promoted"]]
    first, last = away[0], away[-1]
    for topic, before in zip(last["traffic"]["topics"], first["traffic"]["topics"], strict=True):
        if not any(topic["name"] == own["name"] for own in seen[0]["shards"][shard]["topics"]):
            expect(topic["reads"] > before["reads"] + 10, f"reads of {topic['name']} went on")
