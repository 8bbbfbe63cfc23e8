import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qalqan.errors import StoreError
from qalqan.store.elasticsearch.spool import Spool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def lines_of(numbers: Iterable[int]) -> list[bytes]:
    return [b'{"n":%d}' % number for number in numbers]


def replayed(spool: Spool, batch: int = 500) -> list[bytes]:
    taken: list[bytes] = []
    count = spool.replay(taken.extend, batch)
    assert count == len(taken)
    return taken


def writer_that_fails_after(batches: int, taken: list[bytes]) -> Callable[[Sequence[bytes]], None]:
    left = iter(range(batches))

    def write(lines: Sequence[bytes]) -> None:
        if next(left, None) is None:
            raise StoreError("away")
        taken.extend(lines)

    return write


def run_script(script: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_lines_come_back_in_order_and_in_batches(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(700)))
    spool.add(lines_of(range(700, 1203)))
    sizes: list[int] = []
    taken: list[bytes] = []

    def write(lines: Sequence[bytes]) -> None:
        sizes.append(len(lines))
        taken.extend(lines)

    assert len(spool) == 1203
    assert spool.replay(write) == 1203
    assert taken == lines_of(range(1203))
    assert sizes == [500, 500, 203]
    assert spool.is_empty
    assert len(spool) == 0
    assert spool.replay(write) == 0


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.binary(min_size=1, max_size=30).filter(lambda line: not set(line) & {0, 10}), max_size=8),
            st.tuples(st.integers(1, 4), st.integers(0, 5)),
            st.just("reopen"),
        ),
        max_size=12,
    )
)
def test_any_course_of_things_keeps_every_line_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    """Steps: lines to add; (batch, how many batches go well before `write` raises); a new process."""
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    waiting: list[bytes] = []
    for step in steps:
        if isinstance(step, list):
            spool.add(step)
            waiting += step
        elif isinstance(step, tuple):
            batch, good = step
            taken: list[bytes] = []
            write = writer_that_fails_after(good, taken)
            if len(waiting) > batch * good:
                with pytest.raises(StoreError, match="away"):
                    spool.replay(write, batch)
                assert taken == waiting[: batch * good]
            else:
                assert spool.replay(write, batch) == len(waiting)
                assert taken == waiting
            waiting = waiting[len(taken) :]
        else:
            spool = Spool(folder)
        assert len(spool) == len(waiting)
        assert spool.is_empty == (not waiting)
    assert replayed(spool) == waiting


def test_a_batch_that_cannot_be_written_comes_again_and_those_before_do_not(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(25)))
    taken: list[bytes] = []
    with pytest.raises(StoreError, match="away"):
        spool.replay(writer_that_fails_after(1, taken), batch=10)
    assert taken == lines_of(range(10))
    assert replayed(Spool(folder)) == lines_of(range(10, 25))


def test_lines_added_during_a_replay_go_behind(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(5)))
    taken: list[bytes] = []

    def write(lines: Sequence[bytes]) -> None:
        if not taken:
            Spool(folder).add(lines_of(range(5, 9)))
        taken.extend(lines)

    assert spool.replay(write, batch=3) == 9
    assert taken == lines_of(range(9))


def test_only_one_replays_at_a_time(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(5)))
    others: list[int] = []

    def write(_: Sequence[bytes]) -> None:
        thread = threading.Thread(target=lambda: others.append(spool.replay(lambda _: None)))
        thread.start()
        thread.join()
        script = (
            "import sys, pathlib; from qalqan.store.elasticsearch.spool import Spool\n"
            "print(Spool(pathlib.Path(sys.argv[1])).replay(print))"
        )
        others.append(int(run_script(script, folder)[0]))

    assert spool.replay(write) == 5
    assert others == [0, 0]


def test_segments_are_bounded_and_go_once_replayed(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(b"%06d" % number + b"x" * 1_000_000 for number in range(40))
    sizes = [path.stat().st_size for path in sorted(folder.glob("*.jsonl"))]
    assert len(sizes) == 3
    assert max(sizes) <= 16 * 1024 * 1024
    left: list[int] = []
    first_numbers: list[int] = []

    def write(lines: Sequence[bytes]) -> None:
        left.append(len(list(folder.glob("*.jsonl"))))
        first_numbers.extend(int(line[:6]) for line in lines)

    spool.replay(write, batch=5)
    assert first_numbers == list(range(40))
    assert left == sorted(left, reverse=True)
    assert (left[0], left[-1]) == (3, 1)
    assert not list(folder.glob("*.jsonl"))


def test_a_line_longer_than_a_segment_is_kept_whole(folder: Path) -> None:
    spool = Spool(folder)
    long = b"x" * 17 * 1024 * 1024
    spool.add([b"{}", long, b"[]"])
    assert replayed(spool) == [b"{}", long, b"[]"]


def test_after_a_power_cut_whole_lines_stay_and_the_torn_one_is_put_aside(folder: Path) -> None:
    """Wherever in the last `add` the power went."""
    second = lines_of(range(3, 6))
    stream = b"".join(line + b"\n" for line in second)
    for cut in range(len(stream)):
        place = folder / str(cut)
        Spool(place).add(lines_of(range(3)))
        (segment,) = place.glob("*.jsonl")
        with segment.open("ab") as file:
            file.write(stream[:cut])
        whole = stream[:cut].count(b"\n")
        torn = stream[:cut].rpartition(b"\n")[2]
        spool = Spool(place)
        assert len(spool) == 3 + whole
        assert [path.read_bytes() for path in place.glob("*.torn-*")] == ([torn] if torn else [])
        spool.add(lines_of([7]))
        assert replayed(spool) == lines_of(range(3)) + second[:whole] + lines_of([7])


def test_pages_that_never_reached_the_disk_are_put_aside(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(3)))
    (segment,) = folder.glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"n":' + bytes(4096) + b'9}\n{"n":4}\n')
    assert replayed(spool) == lines_of([0, 1, 2, 4])
    (aside,) = folder.glob("*.torn-*")
    assert aside.read_bytes() == b'{"n":' + bytes(4096) + b"9}\n"


def test_without_a_readable_position_everything_comes_again(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(6)))
    with pytest.raises(StoreError, match="away"):
        spool.replay(writer_that_fails_after(2, []), batch=2)
    (folder / "position").write_bytes(b"")
    assert replayed(Spool(folder)) == lines_of(range(6))


def test_a_segment_that_a_crash_left_behind_is_not_replayed_again(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of(range(4)))
    (segment,) = folder.glob("*.jsonl")
    content = segment.read_bytes()
    spool.replay(lambda _: None)
    segment.write_bytes(content)
    assert spool.is_empty
    spool.add(lines_of([4]))
    assert replayed(spool) == lines_of([4])
    assert not list(folder.glob("*.jsonl"))


def test_a_process_that_dies_while_it_replays_repeats_one_batch(folder: Path) -> None:
    Spool(folder).add(lines_of(range(50)))
    script = """
import os, sys
from pathlib import Path
from qalqan.store.elasticsearch.spool import Spool
def write(lines):
    print(*(line.decode() for line in lines), sep="\\n", flush=True)
    if b'{"n":20}' in lines:
        os._exit(1)
Spool(Path(sys.argv[1])).replay(write, batch=10)
"""
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, check=False)
    assert done.returncode == 1
    written = done.stdout.splitlines()
    assert written == lines_of(range(30))
    assert replayed(Spool(folder)) == lines_of(range(20, 50))


def test_what_was_added_survives_a_killed_process(folder: Path) -> None:
    script = """
import sys
from pathlib import Path
from qalqan.store.elasticsearch.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in range(1_000_000):
    spool.add([b'{"n":%d}' % number])
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(50):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = 50 + len(process.stdout.read().splitlines())
    taken = replayed(Spool(folder))
    assert acknowledged <= len(taken) <= acknowledged + 1
    assert taken == lines_of(range(len(taken)))


def test_processes_add_side_by_side_while_one_replays(folder: Path) -> None:
    script = """
import sys
from pathlib import Path
from qalqan.store.elasticsearch.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in range(0, 120, 3):
    spool.add([f"{sys.argv[2]}-{one}".encode() for one in range(number, number + 3)])
"""
    spool = Spool(folder)
    adding = [subprocess.Popen([sys.executable, "-c", script, folder, name]) for name in "abc"]
    taken: list[bytes] = []
    while any(process.poll() is None for process in adding):
        spool.replay(taken.extend, batch=7)
    spool.replay(taken.extend)
    assert [process.wait() for process in adding] == [0, 0, 0]
    assert len(taken) == 360
    for name in "abc":
        assert [line for line in taken if line.startswith(name.encode())] == [
            f"{name}-{number}".encode() for number in range(120)
        ]


def test_a_full_disk_is_named_and_nothing_of_the_call_is_left(folder: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.add([b"{}"])
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    spool.add(b"x" * 1000 for _ in range(50))
except StoreError as error:
    print(error)
print(len(spool))
print(spool.replay(lambda lines: None))
"""
    message, left, count = run_script(script, folder)
    assert "the disk is full" in message
    assert (left, count) == ("1", "1")


def test_lines_that_are_no_json_leave_nothing_of_the_call(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of([1]))
    for bad in (b"", b"{\n}", b"{\0}"):
        with pytest.raises(ValueError, match="no line of JSON"):
            spool.add([b"{}", bad])
    assert replayed(spool) == lines_of([1])


def test_only_this_user_may_read_what_waits(folder: Path) -> None:
    spool = Spool(folder)
    spool.add(lines_of([1]))
    spool.replay(lambda _: None)
    spool.add(lines_of([2]))
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(StoreError, match="check the disk and the folder"):
        Spool(tmp_path / "spool")


def test_a_folder_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.spool import Spool
if os.geteuid() == 0:
    os.seteuid(65534)  # the superuser may write everywhere
try:
    Spool(Path(sys.argv[1]) / "spool")
except StoreError as error:
    print(error)
"""
    tmp_path.chmod(0o500)
    (message,) = run_script(script, tmp_path)
    assert "this user may not write there" in message
