"""Lines that wait on this machine's disk until they can be written, in the order in which they came.

The folder holds

    000000000001.jsonl ...  segments, filled one after the other and removed once replayed
    position                segment and offset of the next line to replay; always of one length, written in place, so
                            that a full disk does not stop the replay that empties it
    *.torn-OFFSET           what a power cut left of lines for which no `add` had returned
    lock, replay.lock       locked while the above change, while one process replays
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from qalqan.errors import StoreError

_LARGEST_SEGMENT = 16 * 1024 * 1024  # bytes; a single line may be longer
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


class Spool:
    """Safe to share between threads and processes. Lines are JSON texts without a line end.

    Everything raises StoreError where the disk is full or the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with disk_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent)
            with self._locked():
                self._write_position(*self._position())

    @property
    def is_empty(self) -> bool:
        with disk_errors(self._folder), self._locked():
            return not self._remainder()

    def __len__(self) -> int:
        """Lines that wait. Reads them all."""
        with disk_errors(self._folder), self._locked():
            return sum(
                1 for number, start, end in self._remainder() for _ in _lines_between(self._path(number), start, end)
            )

    def add(self, lines: Iterable[bytes]) -> None:
        """On return all lines are on the disk; if it raises, none is.

        A process that dies meanwhile may leave some of the lines, whole and in order. Raises ValueError for an empty
        line and for one with a line end or a NUL, which no JSON text needs.
        """
        with disk_errors(self._folder), self._locked():
            number, size = self._end()
            try:
                self._append(lines, number, size)
            except BaseException:
                self._take_back(number, size)
                raise

    def replay(self, write: Callable[[Sequence[bytes]], None], batch: int = 500) -> int:
        """Gives the waiting lines to `write`, in order, up to `batch` at a time, until none waits; counts them.

        A batch is removed after `write` has returned: one in which it raises, or this process dies, comes again.
        Returns 0 at once while another thread or process replays. Lines that are added meanwhile come last.
        """
        with ExitStack() as stack:
            with disk_errors(self._folder):
                lock = stack.enter_context(open_private(self._folder / "replay.lock", "ab"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            count = 0
            while (place := self._next_lines(batch)) is not None:
                lines, number, offset = place
                if lines:
                    write(lines)
                    count += len(lines)
                self._move_on(number, offset)
            return count

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open_private(self._folder / "lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012}.jsonl"

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("[0-9]*.jsonl"))

    def _end(self) -> tuple[int, int]:
        """Segment to append to, and its size. What lies before the position is replayed already."""
        number = max([self._position()[0], *self._numbers()])
        return number, cut_torn_line(self._path(number))

    def _remainder(self) -> list[tuple[int, int, int]]:
        """Number, start and end in bytes of what waits in each segment; none is empty."""
        self._end()
        first, offset = self._position()
        parts = [
            (number, offset if number == first else 0, self._path(number).stat().st_size)
            for number in self._numbers()
            if number >= first
        ]
        return [part for part in parts if part[1] < part[2]]

    def _append(self, lines: Iterable[bytes], number: int, size: int) -> None:
        file = self._open_segment(number)
        try:
            for line in lines:
                if not line or b"\n" in line or b"\0" in line:
                    raise ValueError(f"no line of JSON: {line[:60]!r}")
                if size and size + len(line) + 1 > _LARGEST_SEGMENT:
                    sync(file)
                    file.close()
                    number, size = number + 1, 0
                    file = self._open_segment(number)
                file.write(line + b"\n")
                size += len(line) + 1
            sync(file)
        finally:
            file.close()

    def _open_segment(self, number: int) -> IO[bytes]:
        is_new = not self._path(number).exists()
        file = open_private(self._path(number), "ab")
        if is_new:
            sync_folder(self._folder)
        return file

    def _take_back(self, number: int, size: int) -> None:
        for later in self._numbers():
            if later > number:
                self._path(later).unlink()
        with suppress(FileNotFoundError):
            os.truncate(self._path(number), size)

    def _next_lines(self, batch: int) -> tuple[list[bytes], int, int] | None:
        """Lines, their segment, and the offset behind them; None if nothing waits."""
        with disk_errors(self._folder):
            with self._locked():
                remainder = self._remainder()
            if not remainder:
                return None
            number, offset, end = remainder[0]
            lines: list[bytes] = []
            # Without the lock: up to `end` nobody changes the segment but this replay.
            for line in _lines_between(self._path(number), offset, end):
                if b"\0" in line:  # a page that the power cut kept from the disk
                    _set_aside(self._path(number), offset, line)
                else:
                    lines.append(line.removesuffix(b"\n"))
                offset += len(line)
                if len(lines) == batch:
                    break
            return lines, number, offset

    def _move_on(self, number: int, offset: int) -> None:
        with disk_errors(self._folder), self._locked():
            is_done = offset == self._path(number).stat().st_size
            first = number + 1 if is_done else number
            self._write_position(first, 0 if is_done else offset)
            for earlier in self._numbers():
                if earlier < first:
                    self._path(earlier).unlink()

    def _position(self) -> tuple[int, int]:
        """Without a readable one everything is replayed again, which does no harm."""
        with suppress(FileNotFoundError, ValueError):
            number, offset = (self._folder / "position").read_bytes().split()
            return int(number), int(offset)
        return 1, 0

    def _write_position(self, number: int, offset: int) -> None:
        path = self._folder / "position"
        is_new = not path.exists()
        with open_private(path, "ab" if is_new else "r+b") as file:
            file.write(b"%012d %012d\n" % (number, offset))
            sync(file)
        if is_new:
            sync_folder(self._folder)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """What the operating system says, as StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            remedy = "the disk is full, nothing was added: free some space and run the same again"
        elif error.errno in _NO_RIGHT:
            remedy = "this user may not write there: give it the right to"
        else:
            remedy = "it cannot be read or written: check the disk and the folder"
        raise StoreError(f"{path}: {remedy} ({error})") from error


def open_private(path: Path, mode: str, buffering: int = -1) -> IO[bytes]:
    """For this user alone, who may be the only one to see what was crawled."""
    return open(path, mode, buffering, opener=lambda name, flags: os.open(name, flags, 0o600))


def sync(file: IO[bytes]) -> None:
    """Returns when everything written lies on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Returns when the names of its new files lie on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_torn_line(path: Path) -> int:
    """Puts a last line without its end aside, where there is one; returns the size without it, 0 if no file."""
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            whole = content.rfind(b"\n") + 1
            torn = content[whole:]
        if torn:
            _set_aside(path, whole, torn)
            file.truncate(whole)
            sync(file)
        return whole


def _set_aside(path: Path, offset: int, content: bytes) -> None:
    with open_private(path.with_name(f"{path.name}.torn-{offset}"), "wb") as file:
        file.write(content)
        sync(file)


def _lines_between(path: Path, start: int, end: int) -> Iterator[bytes]:
    """With their line ends."""
    with path.open("rb") as file:
        file.seek(start)
        while file.tell() < end:
            yield file.readline()
