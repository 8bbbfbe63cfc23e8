"""Documents per second of every stage between a page's bytes and the store, in one run: `make bench`.

Figures of one run may be compared with each other; machines differ, so figures of two runs may not.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from classifiers.text import open_text_classifier
from crawler.parsing.telegram import parse_preview
from demo_site.server import DemoSite, demo_sources
from pipelines.entities import add_entities
from pipelines.language import add_language
from pipelines.near_duplicates import mark_near_duplicates
from pipelines.processor import Processor
from qalqan.clock import now
from qalqan.config import ClassifierSettings
from qalqan.records import Capture, PageOfDocuments, capture_id
from qalqan.store import open_store


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3, help="the best of so many rounds counts")
    rounds = arguments.parse_args().rounds
    moment = now()
    site = DemoSite(moment, lambda: moment)
    pages = {source.url: site.answer(source.url).body for source in demo_sources()}
    parsed = {url: parse_preview(url, body, "text/html", moment).documents for url, body in pages.items() if body}
    documents = [document for page in parsed.values() for document in page]
    texts = [document.text for document in documents]
    classifier = open_text_classifier(ClassifierSettings())

    def store_only(folder: Path) -> None:
        with open_store(f"sqlite:///{folder / 'write.sqlite'}") as store:
            for page in parsed.values():
                store.put_documents(page)

    def mark(folder: Path) -> None:
        with open_store(f"sqlite:///{folder / 'mark.sqlite'}") as store:
            for page in parsed.values():
                mark_near_duplicates(page, {}, store)

    def whole(folder: Path) -> None:
        with open_store(f"sqlite:///{folder / 'whole.sqlite'}") as store:
            processor = Processor(store, classifier)
            for url, page in parsed.items():
                processor.process(PageOfDocuments(capture=_capture(url), documents=page))

    stages: dict[str, Callable[[Path], object]] = {
        "parsing": lambda _: [parse_preview(u, b, "text/html", moment) for u, b in pages.items() if b],
        "language": lambda _: [add_language(document) for document in documents],
        "entities": lambda _: [add_entities(document) for document in documents],
        "near-duplicates": mark,
        "store": store_only,
        "classification": lambda _: classifier.findings(texts),
        "whole pipeline": whole,
    }
    best = {name: min(_seconds(stage) for _ in range(rounds)) for name, stage in stages.items()}
    table = Table(title=f"{len(documents)} posts, best of {rounds} rounds", box=None)
    for heading in ("stage", "documents/s", "of the whole"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for name, seconds in best.items():
        table.add_row(name, f"{len(documents) / seconds:,.0f}", f"{seconds / best['whole pipeline']:.1%}")
    Console().print(table)


def _seconds(stage: Callable[[Path], object]) -> float:
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        stage(Path(folder))
        return time.perf_counter() - began


def _capture(url: str) -> Capture:
    moment = now()
    return Capture(
        id=capture_id(url, moment, "0" * 64),
        url=url,
        fetched_at=moment,
        status=200,
        sha256="0" * 64,
        size_bytes=0,
        warc_file="bench",
        warc_offset=0,
        warc_length=0,
        warc_record_id="bench",
    )


if __name__ == "__main__":
    main()
