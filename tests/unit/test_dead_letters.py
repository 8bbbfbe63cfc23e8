import os
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qalqan.clock import now
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.dead_letters import DeadLetters


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path / "store" / "dead-letters.jsonl")


def test_nothing_is_there_before_the_first(letters: DeadLetters) -> None:
    assert len(letters) == 0
    assert list(letters.read()) == []


def test_letters_come_back_in_order_with_everything_that_was_said(letters: DeadLetters) -> None:
    letters.write("a" * 64, "documents-2026-04", "document_parsing_exception: failed to parse", b'{"text":"\xd2\x9b"}')
    letters.write("b" * 64, "captures", "too large", b"{}")
    first, second = letters.read()
    assert (first.id, first.index, first.record) == ("a" * 64, "documents-2026-04", '{"text":"қ"}'.encode())
    assert first.reason == "document_parsing_exception: failed to parse"
    assert timedelta() <= now() - first.at < timedelta(minutes=1)
    assert second.reason == "too large"
    assert len(letters) == 2


@settings(deadline=None)
@given(record=st.binary(), reason=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_record_and_reason_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, record: bytes, reason: str
) -> None:
    letters = DeadLetters(tmp_path_factory.mktemp("letters") / "letters.jsonl")
    letters.write("id", "index", reason, record)
    (letter,) = letters.read()
    assert (letter.record, letter.reason) == (record, reason)


def test_the_file_holds_no_letter_that_a_terminal_obeys(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write("id", "index", "\x1b[2J\u202e", "\x1b]0;\u2028".encode())
    content = (tmp_path / "store" / "dead-letters.jsonl").read_bytes()
    assert content.isascii()
    assert content.decode().rstrip("\n").isprintable()


def test_only_this_user_may_read_the_file(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write("id", "index", "reason", b"{}")
    assert stat.S_IMODE((tmp_path / "store" / "dead-letters.jsonl").stat().st_mode) == 0o600


def test_threads_write_whole_lines(letters: DeadLetters) -> None:
    def write(thread: int) -> None:
        for number in range(20):
            letters.write(f"{thread}-{number}", "index", "reason", b"x" * 20_000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [letter.id for letter in letters.read()]
    assert sorted(ids) == sorted(f"{thread}-{number}" for thread in range(4) for number in range(20))


def test_a_line_torn_by_a_power_cut_spoils_no_other(letters: DeadLetters, tmp_path: Path) -> None:
    path = tmp_path / "store" / "dead-letters.jsonl"
    letters.write("first", "index", "reason", b"{}")
    size = path.stat().st_size
    letters.write("second", "index", "reason", b"{}")
    os.truncate(path, size + 20)
    assert [letter.id for letter in letters.read()] == ["first"]
    letters.write("third", "index", "reason", b"{}")
    assert [letter.id for letter in letters.read()] == ["first", "third"]
    (aside,) = path.parent.glob("*.torn-*")
    assert aside.stat().st_size == 20


def test_a_damaged_line_is_named(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write("first", "index", "reason", b"{}")
    with (tmp_path / "store" / "dead-letters.jsonl").open("ab") as file:
        file.write(b'{"at": 5}\n')
    reading = letters.read()
    assert next(reading).id == "first"
    with pytest.raises(StoreError, match="line 2 is damaged"):
        next(reading)


_WRITE_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.dead_letters import DeadLetters
letters = DeadLetters(Path(sys.argv[1]))
letters.write("first", "index", "reason", b"{}")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    letters.write("second", "index", "reason", b"x" * 5000)
except StoreError as error:
    print(error)
letters.write("third", "index", "reason", b"{}")
print([letter.id for letter in letters.read()])
"""


def test_a_full_disk_is_named_and_leaves_no_half_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITE_ON_A_FULL_DISK, tmp_path / "letters.jsonl"],
        capture_output=True,
        text=True,
        check=True,
    )
    message, ids = done.stdout.splitlines()
    assert "the disk is full" in message
    assert ids == "['first', 'third']"
