"""Texts per second of the classifier beside `transformers.pipeline` with the same weights, in one run: `make bench`.

The stream is like a feed: 30 % of its texts are near-copies of an earlier one (the same again, or with another contact,
other emoji, another price, one sentence more), 5 % are adverts. Harmless texts are public ones where QALQAN_SHARED has
them, else our own. Figures of one run may be compared with each other; machines differ, so figures of two runs may not.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerFast, TextClassificationPipeline
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

from classifiers.text import open_text_classifier
from classifiers.text.adapted import load_network
from classifiers.text.e5_conversion import PAD
from classifiers.text.folders import default_base_folder, shipped_weights
from classifiers.text.model_card import read_card
from classifiers.text.network import PooledNetwork
from classifiers.text.rows import TextRow, corpus_files, read_rows
from qalqan.config import ClassifierSettings
from qalqan.records import LABELS

_COPIES, _ADVERTS = 0.30, 0.05
_EMOJI = "🔥✅📌👍🙏🎉"


class _Checkpoint(PreTrainedModel):
    """Our merged weights as any checkpoint of transformers, for its own pipeline."""

    config_class = BertConfig

    def __init__(self, config: BertConfig, network: PooledNetwork) -> None:
        super().__init__(config)
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.network.logits(input_ids, attention_mask)[:, : len(LABELS)])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--texts", type=int, default=1000, help="length of the stream")
    arguments.add_argument("--rounds", type=int, default=2, help="the best of so many rounds counts")
    options = arguments.parse_args()
    stream = make_stream(options.texts, random.Random(3))
    logging.set_verbosity_error()  # that ours is none of its own architectures is known
    pipeline = make_pipeline()
    asked = {"top_k": None, "function_to_apply": "sigmoid", "truncation": True, "max_length": 512}
    ours = "ours (in batches of 256, as a crawl brings them)"
    ways: dict[str, Callable[[], Callable[[], object]]] = {
        "transformers.pipeline, one by one": lambda: lambda: [pipeline(text, **asked) for text in stream],
        "transformers.pipeline, in batches of 32": lambda: lambda: pipeline(stream, batch_size=32, **asked),
        ours: lambda: _in_portions(stream),
    }
    seconds = {name: min(_seconds(way()) for _ in range(options.rounds)) for name, way in ways.items()}
    table = Table(title=f"{len(stream)} texts, best of {options.rounds} rounds", box=None)
    for heading in ("classification", "texts/s", "ours is faster by"):
        table.add_column(heading, justify="left" if heading == "classification" else "right")
    for name, taken in seconds.items():
        table.add_row(name, f"{len(stream) / taken:,.1f}", f"{taken / seconds[ours]:.1f} ×")
    Console().print(table)


def _in_portions(stream: Sequence[str]) -> Callable[[], object]:
    # A new one each time: nothing is remembered from the round before.
    classifier = open_text_classifier(ClassifierSettings())
    return lambda: [classifier.findings(stream[start : start + 256]) for start in range(0, len(stream), 256)]


def _seconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def make_pipeline() -> TextClassificationPipeline:
    weights, base = shipped_weights(), default_base_folder()
    card = read_card(weights)
    config = BertConfig(**json.loads((base / "config.json").read_text(encoding="utf-8")))
    config.id2label = dict(enumerate(LABELS))
    config.problem_type = "multi_label_classification"
    model = _Checkpoint(config, load_network(weights, base, card, torch.float32)).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"), pad_token="<pad>", cls_token="<s>", sep_token="</s>"
    )
    if tokenizer.pad_token_id != PAD:
        raise SystemExit("the tokenizer's padding is not the model's")
    return TextClassificationPipeline(model=model, tokenizer=tokenizer)


def make_stream(length: int, rng: random.Random) -> list[str]:
    harmless, adverts = _pool()
    rng.shuffle(harmless)
    rng.shuffle(adverts)
    fresh = length - int(length * _COPIES)
    positive = int(length * _ADVERTS)
    stream = [*adverts[: int(positive * (1 - _COPIES))], *harmless]
    stream = stream[:fresh]
    if len(stream) < fresh:
        raise SystemExit(f"only {len(stream)} texts to make a stream of; ask for fewer by --texts")
    stream += [_copied(rng.choice(stream), rng) for _ in range(length - fresh)]
    rng.shuffle(stream)
    return stream


def _copied(text: str, rng: random.Random) -> str:
    """As it is posted again."""
    kind = rng.randrange(5)
    if kind == 1:
        return f"{text}\n@{''.join(rng.choice('abcdefgh') for _ in range(8))}"
    if kind == 2:
        return f"{rng.choice(_EMOJI)} {text} {rng.choice(_EMOJI) * 3}"
    if kind == 3:
        return f"{text} {rng.randrange(1000, 20000)}"
    if kind == 4:
        return f"{text}\nПодписывайтесь на канал и ставьте реакции"
    return text


def _pool() -> tuple[list[str], list[str]]:
    rows: list[TextRow] = [row for path in corpus_files() for row in read_rows(path)]
    harmless = [row.text for row in rows if not row.labels]
    adverts = [row.text for row in rows if row.labels]
    public = Path(os.environ.get("QALQAN_SHARED", "../shared")) / "text" / "labelled.jsonl"
    if public.is_file():
        harmless = [row.text for row in read_rows(public) if not row.labels]
    return harmless, adverts


if __name__ == "__main__":
    main()
