"""A real Elasticsearch for the tests, one node or a cluster on free ports, by the launcher in `QALQAN_SHARED`."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from elasticsearch import Elasticsearch

SHARED = Path(os.environ.get("QALQAN_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LAUNCHER = SHARED / "elasticsearch" / "run"
OLDEST_JAVA = 17
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
# The launcher's rule: a node listens for other nodes at its HTTP port + 100.
_TRANSPORT_OFFSET = 100
# Nearly full disks of the tests' machine close no index.
_SETTINGS = {"cluster.routing.allocation.disk.threshold_enabled": "false"}


def reason_for_absence(nodes: int = 1) -> str | None:
    """Why that many nodes cannot be started here; None if they can."""
    if not LAUNCHER.is_file():
        return f"no Elasticsearch at {LAUNCHER} (set QALQAN_SHARED)"
    version = _java_version()
    if version is None or version < OLDEST_JAVA:
        found = f"Java {version}" if version else "no Java"
        return f"{found} here, {OLDEST_JAVA} or later is needed: apt-get install openjdk-17-jre-headless"
    free, needed = _free_memory_gib(), 1 + nodes
    if free < needed:
        return f"{free:.1f} GiB of memory are free, Elasticsearch needs {needed}"
    return None


@contextmanager
def start_server(data: Path, port: int | None = None, heap: str = "512m") -> Iterator["Server"]:
    """One node that answers, on a free port unless one is named. It and its port are given up at the end.

    heap: in Java's notation. It also ends with the thread that calls this, however that ends.
    """
    with reserved_port(port, and_also=_TRANSPORT_OFFSET) as own, Server(data, own, heap) as server:
        server.start()
        server.wait_until_ready()
        yield server


@contextmanager
def start_cluster(folder: Path, nodes: int = 3, heap: str = "512m") -> Iterator["Cluster"]:
    """All nodes know each other, and the cluster is green."""
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port(and_also=_TRANSPORT_OFFSET)) for _ in range(nodes)]
        settings = {
            "discovery.seed_hosts": _listed(f"127.0.0.1:{port + _TRANSPORT_OFFSET}" for port in ports),
            "cluster.initial_master_nodes": _listed(f"node-{port}" for port in ports),
        }
        servers = [
            stack.enter_context(Server(folder / f"node{number}", port, heap, settings))
            for number, port in enumerate(ports)
        ]
        cluster = Cluster(servers)
        for server in servers:
            server.start()
        cluster.wait_until_green()
        yield cluster


@dataclass
class Server:
    """A node. Its data outlives it; as a context manager it ends with the block."""

    data: Path
    port: int
    heap: str
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Returns before the server answers."""
        assert not self.is_running, f"{self.url} already runs"
        self.data.mkdir(parents=True, exist_ok=True)
        command = [str(LAUNCHER), "--data", str(self.data), "--port", str(self.port), "--heap", self.heap]
        for name, value in {**_SETTINGS, **self.settings}.items():
            command += ["--set", f"{name}={value}"]
        # The kernel stops the server if these tests are killed.
        setpriv = shutil.which("setpriv")
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self, question: str = "wait_for_status=yellow") -> None:
        """Until the cluster's health is as asked. Raises RuntimeError with the log's end if that does not come."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers(f"/_cluster/health?timeout=2s&{question}"):
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"Elasticsearch at {self.url} has ended:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Elasticsearch at {self.url} was not ready after {START_TIMEOUT_S:.0f} s:\n{self.log_tail()}"
                )
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL: what was acknowledged must be there after the next start."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and after a minute SIGKILL."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """On the same data and port; returns when it answers."""
        self.stop()
        self.start()
        self.wait_until_ready()

    def log_tail(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self, path: str) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False


@dataclass(frozen=True)
class Cluster:
    nodes: list[Server]

    @property
    def url(self) -> str:
        """Of all nodes: http://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3."""
        return "http://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def wait_until_green(self) -> None:
        """Until all nodes that run are there, and every shard and replica on them. Raises RuntimeError."""
        running = [node for node in self.nodes if node.is_running]
        if not running:
            raise RuntimeError("no node of the cluster runs")
        for node in running:
            node.wait_until_ready(f"wait_for_status=green&wait_for_nodes={len(running)}")


@contextmanager
def reserved_port(port: int | None = None, and_also: int | None = None) -> Iterator[int]:
    """A free port of 127.0.0.1 that nobody else is given meanwhile; `and_also`: together with the port so much higher.

    A socket that is bound but does not listen keeps it; a server that sets SO_REUSEADDR may listen there all the same.
    """
    with ExitStack() as stack:
        if port is not None:
            for number in (port,) if and_also is None else (port, port + and_also):
                holder = stack.enter_context(socket.socket())
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # it may just have been given up
                holder.bind(("127.0.0.1", number))
            yield port
            return
        for _ in range(100):
            with ExitStack() as attempt:
                found = _hold(attempt.enter_context(socket.socket()), 0)
                try:
                    if and_also is not None:
                        _hold(attempt.enter_context(socket.socket()), found + and_also)
                except (OSError, OverflowError):  # taken, or no port
                    continue
                stack.enter_context(attempt.pop_all())
                break
        else:
            raise RuntimeError("no free port on 127.0.0.1")
        yield found


@contextmanager
def fresh_prefix(client: Elasticsearch) -> Iterator[str]:
    """A prefix for a store of one test; whatever has it goes at the end."""
    prefix = f"test-{os.urandom(4).hex()}"
    yield prefix
    remove_prefix(client, prefix)


def remove_prefix(client: Elasticsearch, prefix: str) -> None:
    """Indices and templates of a store."""
    for index in client.indices.get(index=f"{prefix}-*", expand_wildcards="all"):
        client.indices.delete(index=index)
    kinds = ("documents", "captures", "channels")
    for kind in kinds:
        client.options(ignore_status=404).indices.delete_index_template(name=f"{prefix}-{kind}")
    for name in (*kinds, "settings", "reindex"):
        client.options(ignore_status=404).cluster.delete_component_template(name=f"{prefix}-{name}")


def _hold(holder: socket.socket, port: int) -> int:
    holder.bind(("127.0.0.1", port))  # before the option, which would let it share another holder's port
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return int(holder.getsockname()[1])


def _listed(names: Iterator[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


def _java_version() -> int | None:
    """The major version of the Java that the launcher takes; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin", "java")) if home else "java")
    if java is None:
        return None
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else None


def _free_memory_gib() -> float:
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) / 2**20 if found else 0.0
