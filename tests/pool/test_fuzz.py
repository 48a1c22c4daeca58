"""Whatever a URL says, and whatever a server sends: an answer or an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_pool import ConfigurationError, parse_url
from cachex_pool.errors import printable, reply_error
from support.examples import tries
from support.shown import shown_by

pytestmark = pytest.mark.fuzz
some = tries(60, full=500_000)

SECRET = "CANARY-1"
pieces = st.sampled_from(
    [*"/:@?#[]&=%.,;", "redis://", "rediss://", "unix://", "u", SECRET, "h", "1", "6379", "::1"]
) | st.text(max_size=3)


@some
@given(st.lists(pieces, max_size=12).map("".join))
def test_a_url_is_read_or_refused_and_shows_no_secret(url: str) -> None:
    shown = ""
    try:
        endpoint, options = parse_url(f"redis://u:{SECRET}{url}")
    except ConfigurationError as error:
        shown = shown_by(error)
    else:
        assert 0 <= endpoint.port <= 65535
        assert all(isinstance(value, str) for value in options.values())
    assert SECRET not in shown


@some
@given(st.lists(pieces, max_size=12).map("".join))
def test_any_text_is_a_url_or_refused(url: str) -> None:
    try:
        endpoint, _ = parse_url(url)
    except ConfigurationError:
        return
    assert endpoint.host or endpoint.path


@some
@given(st.text(max_size=60))
def test_an_error_reply_is_one_and_can_be_printed(text: str) -> None:
    error = reply_error(text)
    assert str(error).isprintable()
    assert printable(text).isprintable()
