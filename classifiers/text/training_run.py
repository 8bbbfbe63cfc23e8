"""One training run: the frozen base model, a LoRA adapter and a head over augmented texts."""

import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from classifiers.text.augmentation import disguise
from classifiers.text.e5_conversion import PAD
from classifiers.text.network import PooledNetwork, load_encoder
from classifiers.text.processor import has_bfloat16
from classifiers.text.rows import TextRow
from classifiers.text.windows import WindowTokenizer
from qalqan.records import LABELS

# A short window keeps an advert in a long page from drowning: of 60 such pages 94 tokens find 47, 254 tokens 29.
WINDOW, STRIDE = 94, 64
_BATCH_TOKENS = 1024
_WARM_UP = 0.1
# A large source of harmless texts is drawn from anew in every epoch, so that it neither rules nor takes the time.
_HARMLESS_OF_A_SOURCE = 100


@dataclass(frozen=True)
class Recipe:
    """learning rates are peaks after warm-up, falling linearly to zero; max_tokens cuts training texts."""

    seed: int = 20
    epochs: int = 6
    rank: int = 16
    adapter_rate: float = 1e-3
    head_rate: float = 1e-2
    max_tokens: int = 112
    threads: int = 2


def _row_weights(rows: Sequence[TextRow]) -> list[float]:
    """Rare languages and labels count more, by the square root of how rare they are."""
    cells = [(row.lang, *sorted(row.labels)) for row in rows]
    counts = Counter(cells)
    mean = len(rows) / len(counts)
    return [min(2.0, max(0.7, (mean / counts[cell]) ** 0.5)) for cell in cells]


class TrainingRun:
    """One training from the base model on."""

    def __init__(self, base: Path, rows: Sequence[TextRow], recipe: Recipe, epochs: int) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.rows = recipe, list(rows)
        self.rng = random.Random(recipe.seed)  # noqa: S311 -- augmentation, not a secret
        self.tokenizer = WindowTokenizer.from_file(base / "tokenizer.json", size=WINDOW, stride=STRIDE)
        self.config = LoraConfig(
            r=recipe.rank,
            lora_alpha=2 * recipe.rank,
            target_modules=["query", "key", "value", "dense"],
        )
        encoder = load_encoder(base)
        encoder.set_attn_implementation("eager")  # backwards, torch's fused attention is slower on a CPU
        for module in encoder.modules():
            # Disguises vary the texts more than dropout would, which takes a third of the time on a CPU.
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        with warnings.catch_warnings():
            # peft asks transformers by a deprecated name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            self.adapted = get_peft_model(encoder, self.config)
        head = nn.Linear(encoder.config.hidden_size, len(LABELS))
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        self.network = PooledNetwork(self.adapted, head)
        self.harmless = Counter(row.kinship[0] for row in self.rows if not row.labels)
        self.weights = _row_weights(self.rows)
        positives = torch.tensor([sum(label in row.labels for row in self.rows) for label in LABELS])
        rarity = ((len(self.rows) - positives) / positives.clamp(min=1)).sqrt().clamp(max=2.5)
        self.loss = nn.BCEWithLogitsLoss(reduction="none", pos_weight=rarity)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.adapted.parameters() if p.requires_grad], "lr": recipe.adapter_rate},
                {"params": list(head.parameters()), "lr": recipe.head_rate},
            ],
            weight_decay=0.01,
        )
        tokens = sum(self._drawn_share(row) * min(len(row.text) / 3.5 + 2, recipe.max_tokens) for row in self.rows)
        steps = epochs * (int(tokens / _BATCH_TOKENS) + 1)
        warm_up = max(1, int(_WARM_UP * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm_up, max(0.02, (steps - step) / max(1, steps - warm_up))),
        )
        self.half = has_bfloat16()

    def _drawn_share(self, row: TextRow) -> float:
        return 1.0 if row.labels else min(1.0, _HARMLESS_OF_A_SOURCE / self.harmless[row.kinship[0]])

    def _ids(self, text: str) -> list[int]:
        windows = self.tokenizer.windows(text[: self.recipe.max_tokens * 12])
        if not windows:
            return []
        ids = list(windows[0].ids)
        return ids if len(ids) <= self.recipe.max_tokens else [*ids[: self.recipe.max_tokens - 1], ids[-1]]

    def _augmented(self, row: TextRow) -> str:
        text = disguise(row.text, row.lang, self.rng)
        if self.rng.random() < 0.1:
            # A page holds more than the advert: foreign matter of a harmless text around it changes nothing.
            other = self.rng.choice(self.rows)
            if not other.labels:
                texts = [text, disguise(other.text[:200], other.lang, self.rng)]
                self.rng.shuffle(texts)
                text = "\n".join(texts)
        return text

    def epoch(self, progress: Callable[[float, float], None]) -> None:
        """progress is told the share that is done and the mean loss so far."""
        self.network.train()
        examples = [
            (ids, row, weight)
            for row, weight in zip(self.rows, self.weights, strict=True)
            if self.rng.random() < self._drawn_share(row) and (ids := self._ids(self._augmented(row)))
        ]
        examples.sort(key=lambda example: len(example[0]) * self.rng.uniform(0.9, 1.1))
        batches: list[list[tuple[list[int], TextRow, float]]] = [[]]
        for example in examples:
            if batches[-1] and (len(batches[-1]) + 1) * len(example[0]) > _BATCH_TOKENS:
                batches.append([])
            batches[-1].append(example)
        self.rng.shuffle(batches)
        total = 0.0
        for number, batch in enumerate(batches, start=1):
            padded, mask = _pad([example[0] for example in batch])
            truth = torch.tensor([[float(label in row.labels) for label in LABELS] for _, row, _ in batch])
            weight = torch.tensor([example[2] for example in batch])[:, None]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                logits = self.network(padded, mask)
            loss = (self.loss(logits.float(), truth) * weight).mean()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            total += loss.item()
            if number % 25 == 0 or number == len(batches):
                progress(number / len(batches), total / number)

    def logits(self, rows: Sequence[TextRow]) -> list[list[float]]:
        """Of each text as it is read in use: in windows, of which the strongest counts."""
        self.network.eval()
        found: list[list[float]] = []
        places: list[tuple[int, list[int]]] = []
        for index, row in enumerate(rows):
            places += [(index, list(window.ids)) for window in self.tokenizer.windows(row.text)]
            found.append([-20.0] * len(LABELS))
        places.sort(key=lambda place: len(place[1]))
        for start in range(0, len(places), 16):
            chosen = places[start : start + 16]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                values = self.network.logits(*_pad([ids for _, ids in chosen]))
            for (index, _), row_values in zip(chosen, values.float().tolist(), strict=True):
                found[index] = [max(pair) for pair in zip(found[index], row_values, strict=True)]
        return found

    def state(self) -> dict[str, dict[str, Tensor]]:
        adapter = {name: values.clone() for name, values in get_peft_model_state_dict(self.adapted).items()}
        head = {name: values.detach().clone() for name, values in self.network.head.state_dict().items()}
        return {"adapter": adapter, "head": head}

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        set_peft_model_state_dict(self.adapted, state["adapter"])
        self.network.head.load_state_dict(state["head"])


def _pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), PAD, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return ids, mask
