"""The Elasticsearch store beside the official client's own `parallel_bulk`, how its searches grow, and SQLite's.

Starts a server of its own: `python -m bench.store --documents 1000000 --small 100000`. Figures of one run may be
compared with each other; machines differ, and so does what else they do, so figures of two runs may not.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.posts import DAYS, FIRST_DAY, Posts, disguised
from qalqan.config import StoreSettings
from qalqan.records import LABELS, Document
from qalqan.store import DocumentQuery, Fingerprint, Store, open_store
from qalqan.store.elasticsearch.bodies import body_of, with_fingerprint, write_body
from qalqan.store.elasticsearch.layout import Layout
from qalqan.store.keys import UNDATED, month_of
from tests.elasticsearch_server import reason_for_absence, start_server

_THREADS = 4  # parallel_bulk's own number
_PAGE = 500
_WARM_UPS, _REPETITIONS = 3, 30
_OPTIONS = StoreSettings(replicas=0, timeout_s=120)

Made = tuple[Document, Fingerprint | None]
# Another one at each call.
Question = Callable[[Store], object]
MakeQuestion = Callable[[random.Random], Question]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--documents", type=int, default=50_000, help="in the large index")
    arguments.add_argument("--small", type=int, default=5_000, help="in the small one, and in SQLite")
    arguments.add_argument("--written", type=int, default=20_000, help="by each way of writing, in each round")
    arguments.add_argument("--rounds", type=int, default=3, help="of writing; the best one counts")
    arguments.add_argument("--seconds-limit", type=float, default=3600, help="filling the large index ends then")
    arguments.add_argument("--heap", default="1g", help="the server's memory, in Java's notation")
    options = arguments.parse_args()
    console = Console()
    if reason := reason_for_absence():
        console.print(f"bench.store is left out: {reason}")
        return
    posts = Posts(seed=3)
    with TemporaryDirectory() as folder, start_server(Path(folder) / "server", heap=options.heap) as server:
        console.print(_writing_table(server.url, posts, options.written, options.rounds))
        console.print(_searching_table(server.url, Path(folder), posts, options))


# Writing


@dataclass(frozen=True)
class _Target:
    """Empty indices of this program's own templates, one for each month and one for everything."""

    url: str
    client: Elasticsearch
    layout: Layout


@contextmanager
def _empty_indices(server_url: str, prefix: str) -> Iterator[_Target]:
    with Elasticsearch(server_url, request_timeout=120) as client:
        layout = Layout(client, prefix, shards=1, replicas=0)
        layout.install()
        for day in range(0, DAYS, 28):
            layout.open_month(f"{FIRST_DAY + timedelta(days=day):%Y-%m}")
        try:
            yield _Target(f"{server_url}/{prefix}?refresh=false", client, layout)
        finally:
            client.indices.delete(index=list(client.indices.get(index=f"{prefix}-*")))


@dataclass(frozen=True)
class _Effort:
    """Of one way of writing. client_s, server_s: processor time, which tells more than the clock on a busy machine."""

    elapsed_s: float
    client_s: float
    server_s: float


def _writing_table(server_url: str, posts: Posts, count: int, rounds: int) -> Table:
    made = [posts.make(number) for number in track(range(count), "making posts", transient=True)]
    ready = [(document, write_body(_body(document, fingerprint), document.id)) for document, fingerprint in made]
    ours = f"our store, pages of {_PAGE}"
    ways: dict[str, Callable[[_Target], object]] = {
        "parallel_bulk, one index, bodies ready-made": lambda target: _bulk(target, _one_index(ready)),
        "parallel_bulk, one index": lambda target: _bulk(target, _one_index(_bodies(made))),
        "parallel_bulk, monthly indices": lambda target: _bulk(target, _monthly(_bodies(made))),
        ours: lambda target: _put(target.url, made),
    }
    efforts: dict[str, list[_Effort]] = {name: [] for name in ways}
    with _empty_indices(server_url, "warm") as target:
        _put(target.url, made[:5_000])
    for number in range(rounds):
        for name, way in ways.items():
            with _empty_indices(server_url, f"round{number}") as target:
                efforts[name].append(_effort(target, way))
                _check(target, count)
    best = {name: min(effort.elapsed_s for effort in own) for name, own in efforts.items()}
    table = Table(title=f"{count:,} posts, {_THREADS} threads, best of {rounds} rounds", box=None)
    for heading in ("writing", "documents/s", "ours is at", "client's ms CPU", "server's ms CPU"):
        table.add_column(heading, justify="left" if heading == "writing" else "right")
    for name, own in efforts.items():
        client_ms = 1000 * min(effort.client_s for effort in own) / count
        server_ms = 1000 * min(effort.server_s for effort in own) / count
        rate, ratio = f"{count / best[name]:,.0f}", f"{best[name] / best[ours]:.2f} ×"
        table.add_row(name, rate, ratio, f"{client_ms:.2f}", f"{server_ms:.2f}")
    return table


def _effort(target: _Target, way: Callable[[_Target], object]) -> _Effort:
    client_s, server_s, began = time.process_time(), _server_cpu_s(target.client), time.perf_counter()
    way(target)
    elapsed_s, client_s = time.perf_counter() - began, time.process_time() - client_s
    return _Effort(elapsed_s, client_s, _server_cpu_s(target.client) - server_s)


def _server_cpu_s(client: Elasticsearch) -> float:
    time.sleep(1)  # for so long the server tells the same again
    (node,) = client.nodes.stats(metric="process")["nodes"].values()
    return float(node["process"]["cpu"]["total_in_millis"]) / 1000


def _body(document: Document, fingerprint: Fingerprint | None) -> dict[str, Any]:
    """All that the store writes."""
    moment = time.time_ns() // 1000
    body = body_of(document) | {"indexed_at": moment, "order": moment}
    return with_fingerprint(body, fingerprint) if fingerprint else body


def _bodies(made: Iterable[Made]) -> Iterator[tuple[Document, Any]]:
    return ((document, _body(document, fingerprint)) for document, fingerprint in made)


def _one_index(bodies: Iterable[tuple[Document, Any]]) -> Iterator[tuple[str, Document, Any]]:
    return ((UNDATED, document, body) for document, body in bodies)


def _monthly(bodies: Iterable[tuple[Document, Any]]) -> Iterator[tuple[str, Document, Any]]:
    return ((month_of(document), document, body) for document, body in bodies)


def _bulk(target: _Target, bodies: Iterable[tuple[str, Document, Any]]) -> None:
    """By the client alone; raises for a document that is refused."""
    actions = (
        {"_op_type": "create", "_index": target.layout.alias_of_month(month), "_id": document.id, "_source": body}
        for month, document, body in bodies
    )
    for _ in parallel_bulk(target.client, actions, thread_count=_THREADS, chunk_size=_PAGE):
        pass


def _put(url: str, made: Sequence[Made]) -> None:
    pages = [made[start : start + _PAGE] for start in range(0, len(made), _PAGE)]
    with open_store(url, _OPTIONS) as store, ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(lambda page: _put_page(store, page), pages):
            pass


def _put_page(store: Store, page: Sequence[Made]) -> None:
    fingerprints = {document.id: fingerprint for document, fingerprint in page if fingerprint}
    written = store.put_documents([document for document, _ in page], fingerprints)
    if written.new != len(page):
        raise SystemExit(f"of {len(page)} new posts the store wrote {written}")


def _check(target: _Target, count: int) -> None:
    target.client.indices.refresh(index=target.layout.documents)
    found = target.client.count(index=target.layout.documents)["count"]
    if found != count:
        raise SystemExit(f"{found} of {count} posts are there")


# Searching


def _searching_table(server_url: str, folder: Path, posts: Posts, options: argparse.Namespace) -> Table:
    small, limit = options.small, options.seconds_limit
    questions = _questions(posts, small)
    with open_store(f"sqlite:///{folder / 'store.sqlite'}") as store:
        _fill(store, posts, range(small), threads=1, seconds_limit=limit)
        of_sqlite = {name: _latencies(store, make) for name, make in questions.items()}
    url = f"{server_url}/bench?refresh=false"
    with open_store(url, _OPTIONS) as store, Elasticsearch(server_url, request_timeout=120) as client:
        _fill(store, posts, range(small), _THREADS, limit)
        _settle(client)
        of_small = {name: _latencies(store, make) for name, make in questions.items()}
        _fill(store, posts, range(small, options.documents), _THREADS, limit)
        _settle(client)
        of_large = {name: _latencies(store, make) for name, make in questions.items()}
        large = store.count(DocumentQuery())
    table = Table(title=f"p50 and p95 of {_REPETITIONS} different questions of a kind, in milliseconds", box=None)
    table.add_column("question")
    for heading in (f"SQLite, {small:,}", f"Elasticsearch, {small:,}", f"Elasticsearch, {large:,}", "it grows by"):
        table.add_column(heading, justify="right")
    for name in questions:
        growth = (after / before for before, after in zip(of_small[name], of_large[name], strict=True))
        table.add_row(
            name,
            *(f"{p50:,.1f}  {p95:,.1f}" for p50, p95 in (of_sqlite[name], of_small[name], of_large[name])),
            "  ".join(f"{times:.1f} ×" for times in growth),
        )
    return table


def _fill(store: Store, posts: Posts, numbers: range, threads: int, seconds_limit: float) -> None:
    deadline = time.monotonic() + seconds_limit

    def write(page: range) -> None:
        if time.monotonic() < deadline:
            _put_page(store, [posts.make(number) for number in page])

    pages = [numbers[start : start + _PAGE] for start in range(0, len(numbers), _PAGE)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in track(pool.map(write, pages), f"writing {len(numbers):,} posts", total=len(pages), transient=True):
            pass


def _settle(client: Elasticsearch) -> None:
    """Returns when everything is searchable and no index is being merged."""
    client.indices.refresh(index="bench-documents")
    while client.indices.stats(index="bench-documents", metric="merge")["_all"]["total"]["merges"]["current"]:
        time.sleep(1)


def _latencies(store: Store, make: MakeQuestion) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    rng = random.Random(5)
    taken = []
    for question in [make(rng) for _ in range(_WARM_UPS + _REPETITIONS)]:
        began = time.perf_counter()
        question(store)
        taken.append(1000 * (time.perf_counter() - began))
    parts = quantiles(taken[_WARM_UPS:], n=20, method="inclusive")
    return parts[9], parts[18]


def _questions(posts: Posts, count: int) -> dict[str, MakeQuestion]:
    """What moderators ask; where it is about a certain post, about one of the first `count`."""
    words = posts.common["ru"].words[100:1000]
    long_words = [word for word in words if len(word) > 5]

    def post(rng: random.Random, is_wanted: Callable[[Document], object]) -> Document:
        while not is_wanted(one := posts.document(rng.randrange(count))):
            pass
        return one

    def word(rng: random.Random) -> Question:
        return _search(text=rng.choice(words))

    def two_words(rng: random.Random) -> Question:
        return _search(text=" ".join(rng.sample(words, 2)))

    def phrase(rng: random.Random) -> Question:
        written = post(rng, lambda one: len(one.text.split()) > 5).text.split()
        return _search(text=f'"{" ".join(written[1:4])}"')

    def beginning(rng: random.Random) -> Question:
        return _search(text=rng.choice(long_words)[:4] + "*")

    def disguised_word(rng: random.Random) -> Question:
        return _search(text=disguised(rng.choice(long_words)))

    def recent_of_label(rng: random.Random) -> Question:
        return _search(labels=(rng.choice(LABELS),), since=_a_day(rng))

    def channel(rng: random.Random) -> Question:
        return _search(channel=post(rng, lambda one: one.channel).channel)

    def entity(rng: random.Random) -> Question:
        contact = post(rng, lambda one: one.entities).entities[0]
        return _search(entity=(contact.kind, contact.value))

    def host_and_score(rng: random.Random) -> Question:
        return _search(host=urlsplit(post(rng, lambda one: one.site == "web").url).hostname, least_score=0.5)

    def four_facets(rng: random.Random) -> Question:
        query = DocumentQuery(since=_a_day(rng))
        return lambda store: [store.counts(query, facet) for facet in ("label", "channel", "lang", "day")]

    return {
        "a word": word,
        "two words": two_words,
        "a phrase": phrase,
        "the beginning of a word": beginning,
        "a disguised word": disguised_word,
        "label, since": recent_of_label,
        "channel": channel,
        "entity": entity,
        "host, least score": host_and_score,
        "four facets, since": four_facets,
    }


def _search(**conditions: Any) -> Question:
    query = DocumentQuery(**conditions)
    return lambda store: store.search(query)


def _a_day(rng: random.Random) -> datetime:
    """In the second year."""
    return FIRST_DAY + timedelta(days=rng.randrange(DAYS // 2, DAYS))


if __name__ == "__main__":
    main()
