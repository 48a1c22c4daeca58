"""The judge sees what is wrong, and lets pass what may be."""

from __future__ import annotations

import time

import pytest

from support.history import Event, History, Outcome, stamp, unstamp

NOT_APPLIED, OK, UNKNOWN = Outcome.NOT_APPLIED, Outcome.OK, Outcome.UNKNOWN


class Unwritten(Exception):
    written = False


def history(*events: tuple[str, object, float, float, Outcome]) -> History:
    """Make a history of (op, value or result, start, end, outcome), all of one key."""
    made = History()
    for op, value, start, end, outcome in events:
        event = Event("client", op, "key", value, start, end, value, outcome)
        made.events.append(event)
    return made


ONE, TWO = stamp("key", 1), stamp("key", 2, size=100)


def test_a_value_tells_its_key_and_shows_damage() -> None:
    assert unstamp(TWO) == ("key", 2)
    assert len(TWO) == 100
    for value in (ONE[1:], ONE[:-1], b"", b"x" * 50):
        with pytest.raises(ValueError, match="damaged"):
            unstamp(value)


@pytest.mark.parametrize(
    "events",
    [
        [("read", None, 1, 2, OK)],
        [("write", ONE, 0, 1, OK), ("read", ONE, 1, 2, OK)],
        [("write", ONE, 0, 9, UNKNOWN), ("read", ONE, 1, 2, OK)],
        [("write", ONE, 0, 9, NOT_APPLIED), ("read", ONE, 1, 2, UNKNOWN)],
        [("add", 1, 0, 1, OK), ("add", 2, 0, 1, OK), ("add", 2, 0, 1, UNKNOWN)],
    ],
)
def test_what_may_be_passes(events: list[tuple[str, object, float, float, Outcome]]) -> None:
    history(*events).check()


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([("read", ONE, 1, 2, OK)], "nobody had written"),
        ([("write", ONE, 0, 1, NOT_APPLIED), ("read", ONE, 1, 2, OK)], "nobody had written"),
        ([("write", ONE, 5, 6, OK), ("read", ONE, 1, 2, OK)], "nobody had written"),
        ([("read", stamp("other", 1), 1, 2, OK)], "another key, other"),
        ([("read", ONE[:-1], 1, 2, OK)], "damaged"),
        ([("read", 17, 1, 2, OK)], "17"),
        ([("add", 2, 0, 1, OK), ("add", 2, 0, 1, OK)], "had got"),
    ],
)
def test_what_cannot_be_is_seen(
    events: list[tuple[str, object, float, float, Outcome]], complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        history(*events).check()


def test_a_replaced_value_is_stale_only_after_both_were_acknowledged() -> None:
    writes = [("write", ONE, 0.0, 1.0, OK), ("write", TWO, 2.0, 3.0, OK)]
    assert list(history(*writes, ("read", ONE, 4, 5, OK)).stale_reads())
    assert list(history(*writes, ("read", None, 4, 5, OK)).stale_reads())
    assert not list(history(*writes, ("read", ONE, 2.5, 5, OK)).stale_reads())
    assert not list(history(*writes, ("read", TWO, 4, 5, OK)).stale_reads())
    late = [("write", ONE, 0.0, 9.0, UNKNOWN), writes[1]]
    assert not list(history(*late, ("read", ONE, 4, 5, OK)).stale_reads())


def test_reads_of_a_client_do_not_go_back() -> None:
    reads = [("read", TWO, 1.0, 2.0, OK), ("read", ONE, 3.0, 4.0, OK)]
    assert list(history(*reads).backward_reads())
    assert not list(history(*reversed(reads)).backward_reads())


@pytest.mark.parametrize(("total", "right"), [(1, False), (2, True), (3, True), (4, False)])
def test_a_counter_has_all_acknowledged_and_at_most_the_unknown(total: int, right: bool) -> None:
    made = history(
        ("add", 1, 0, 1, OK),
        ("add", 1, 1, 2, OK),
        ("add", 1, 2, 3, UNKNOWN),
        ("add", 1, 3, 4, NOT_APPLIED),
    )
    assert list(made.wrong_total("key", total)) == ([] if right else made_complaint(total))


def made_complaint(total: int) -> list[str]:
    return [f"key is {total}, but must be in 2..3"]


def test_operations_are_recorded_with_their_outcome() -> None:
    made = History(expected=(OSError, Unwritten))
    with made.write("me", "key") as event:
        pass
    assert unstamp(event.value) == ("key", 1)
    with made.write("me", "key"):
        raise OSError
    with made.add("me", "counter"):
        raise Unwritten
    with pytest.raises(KeyError), made.read("me", "key"):
        raise KeyError
    outcomes = [event.outcome for event in made.events]
    assert outcomes == [OK, UNKNOWN, NOT_APPLIED, UNKNOWN]
    assert made.count(UNKNOWN, "write") == 1
    assert 0 <= made.longest() < time.monotonic()
