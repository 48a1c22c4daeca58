"""Programs that are forked fail as others do."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import programs


def test_a_program_sees_its_folder_and_nothing_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'found'\n")
    told = programs.run(tmp_path, "import beside\nleft = 1\nprint(beside.WORD, __name__)")
    assert told == "found __main__\n"
    other = tmp_path / "other"
    other.mkdir()
    assert programs.run(other, "print('left' in dir(), __file__)") == f"False {other}/program.py\n"
    with pytest.raises(AssertionError, match="No module named 'beside'"):
        programs.run(other, "import beside")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("assert 1 == 2", "AssertionError"),
        ("import warnings\nwarnings.warn('x')", "UserWarning: x"),
        ("import sys\nsys.exit(3)", "exit status 3"),
        ("import sys\nprint('oh', file=sys.stderr)", "oh"),
        ("import time\ntime.sleep(60)", "no end within 3 s"),
    ],
)
def test_a_program_that_fails_is_noticed(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=told):
        programs.run(tmp_path, text, timeout=3)
    assert programs.run(tmp_path, "print('well')") == "well\n"
