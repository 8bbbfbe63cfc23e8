"""One training run: the frozen base model, a LoRA adapter and a head over augmented texts."""

import math
import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch import Tensor, nn

from classifiers.text.augmentation import disguise
from classifiers.text.e5_conversion import PAD
from classifiers.text.network import AttentionHead, PooledNetwork, early_layers_of, load_encoder
from classifiers.text.processor import has_bfloat16
from classifiers.text.rows import TextRow
from classifiers.text.windows import WindowTokenizer
from qalqan.records import LABELS

# A short window keeps an advert in a long page from drowning: of 60 such pages 94 tokens find 47, 254 tokens 29.
WINDOW, STRIDE = 94, 64
_BATCH_TOKENS = 1024
# As in use the strongest window of a text counts; of a long one so many are learnt from at a time. An advert may stand
# in any of them, a harmless text is harmless in each.
_MOST_WINDOWS, _MOST_HARMLESS_WINDOWS = 8, 2
_WARM_UP = 0.1
# Share of the loss of a network that knows nothing of the texts, above which an epoch has taught nothing.
_COLLAPSED = 0.95
_TELLING_STEPS = 30
_LOWEST_RATE = 1e-4
# Codes are learnt beside the labels: why a text is an advert, or what it is instead, teaches what to look at.
_LEAST_OF_A_CODE = 25
_CODES_SHARE = 0.1
# The early head learns the labels beside them, so that its layers see early on what is plainly harmless.
_EARLY_SHARE = 0.3
# A large source of harmless texts is drawn from anew in every epoch, so that it neither rules nor takes the time.
_HARMLESS_OF_A_SOURCE = 100


@dataclass(frozen=True)
class Recipe:
    """learning rates are peaks after warm-up, falling linearly to zero."""

    seed: int = 20
    epochs: int = 3
    rank: int = 16
    adapter_rate: float = 7e-4
    head_rate: float = 7e-3
    threads: int = 2


def lora_config(recipe: Recipe) -> LoraConfig:
    return LoraConfig(r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=["query", "key", "value", "dense"])


def _row_weights(rows: Sequence[TextRow]) -> list[float]:
    """Rare languages and labels count more, by the square root of how rare they are."""
    cells = [(row.lang, *sorted(row.labels)) for row in rows]
    counts = Counter(cells)
    mean = len(rows) / len(counts)
    return [
        row.weight * min(2.0, max(0.7, (mean / counts[cell]) ** 0.5)) for row, cell in zip(rows, cells, strict=True)
    ]


def code_vocabulary(rows: Sequence[TextRow]) -> tuple[str, ...]:
    """The codes that enough texts have to be learnt, in their order."""
    counts = Counter(code for row in rows for code in row.codes or ())
    return tuple(sorted(code for code, count in counts.items() if count >= _LEAST_OF_A_CODE))


def _targets(row: TextRow, codes: Sequence[str]) -> list[float]:
    """Of the labels and the codes; NaN where nobody said."""
    labels = [float(label in row.labels) for label in LABELS]
    return labels + [math.nan if row.codes is None else float(code in row.codes) for code in codes]


class _Example(NamedTuple):
    """windows: token ids of each. place: of the row."""

    windows: list[list[int]]
    place: int
    weight: float

    @property
    def length(self) -> int:
        return max(map(len, self.windows))


class TrainingRun:
    """One training from the base model on."""

    def __init__(
        self, base: Path, rows: Sequence[TextRow], recipe: Recipe, epochs: int, codes: Sequence[str] = ()
    ) -> None:
        """codes: what the network tells beside the labels, in this order."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.rows = recipe, list(rows)
        self.rng = random.Random(recipe.seed)  # noqa: S311 -- augmentation, not a secret
        self.tokenizer = WindowTokenizer.from_file(base / "tokenizer.json", size=WINDOW, stride=STRIDE)
        encoder = load_encoder(base)
        encoder.set_attn_implementation("eager")  # backwards, torch's fused attention is slower on a CPU
        for module in encoder.modules():
            # Disguises vary the texts more than dropout would, which takes a third of the time on a CPU.
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        with warnings.catch_warnings():
            # peft asks transformers by a deprecated name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            self.adapted = get_peft_model(encoder, lora_config(recipe))
        self.codes = tuple(codes)
        width = encoder.config.hidden_size
        head, early = AttentionHead(width, len(LABELS) + len(codes)), AttentionHead(width, len(LABELS))
        # peft has put the adapter into the encoder itself.
        self.network = PooledNetwork(encoder, head, early, early_layers_of(encoder.config))
        self.harmless = Counter(row.kinship[0] for row in self.rows if not row.labels)
        self.weights = _row_weights(self.rows)
        self.targets = torch.tensor([_targets(row, self.codes) for row in self.rows])
        positives = self.targets.nan_to_num(0.0).sum(dim=0)
        known = self.targets.isfinite().sum(dim=0)
        rarity = ((known - positives) / positives.clamp(min=1)).sqrt().clamp(max=2.5)
        self.rarity = rarity
        self.loss = nn.BCEWithLogitsLoss(reduction="none", pos_weight=rarity)
        self.early_loss = nn.BCEWithLogitsLoss(reduction="none", pos_weight=rarity[: len(LABELS)])
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.adapted.parameters() if p.requires_grad], "lr": recipe.adapter_rate},
                {"params": [*head.parameters(), *early.parameters()], "lr": recipe.head_rate},
            ],
            weight_decay=0.01,
        )
        drawn = [(self._drawn_share(row), self._windows(row, row.text)) for row in self.rows]
        tokens = sum(share * len(windows) * max(map(len, windows)) for share, windows in drawn if windows)
        steps = epochs * (int(tokens / _BATCH_TOKENS) + 1)
        warm_up = max(1, int(_WARM_UP * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm_up, max(0.02, (steps - step) / max(1, steps - warm_up))),
        )
        self.half = has_bfloat16()

    def _drawn_share(self, row: TextRow) -> float:
        return 1.0 if row.labels else min(1.0, _HARMLESS_OF_A_SOURCE / self.harmless[row.kinship[0]])

    def _windows(self, row: TextRow, text: str) -> list[list[int]]:
        windows = [list(window.ids) for window in self.tokenizer.windows(text)]
        most = _MOST_WINDOWS if row.labels else _MOST_HARMLESS_WINDOWS
        return windows if len(windows) <= most else self.rng.sample(windows, most)

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

    def epoch(self, progress: Callable[[float, float], None] | None = None) -> float:
        """The mean loss of its last quarter. progress is told the share that is done and the mean loss of late."""
        self.network.train()
        examples = [
            _Example(windows, index, weight)
            for index, (row, weight) in enumerate(zip(self.rows, self.weights, strict=True))
            if self.rng.random() < self._drawn_share(row) and (windows := self._windows(row, self._augmented(row)))
        ]
        examples.sort(key=lambda example: example.length * self.rng.uniform(0.9, 1.1))
        batches: list[list[_Example]] = [[]]
        held = 0
        for example in examples:
            if batches[-1] and (held + len(example.windows)) * example.length > _BATCH_TOKENS:
                batches.append([])
                held = 0
            batches[-1].append(example)
            held += len(example.windows)
        self.rng.shuffle(batches)
        losses_so_far: list[float] = []
        for number, batch in enumerate(batches, start=1):
            padded, mask = _pad([window for example in batch for window in example.windows])
            truth = self.targets[[example.place for example in batch]]
            weight = torch.tensor([example.weight for example in batch])[:, None]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                of_windows, early_of_windows = self.network(padded, mask)
            counts = [len(example.windows) for example in batch]
            losses = self.loss(_strongest(of_windows, counts), truth.nan_to_num(0.0)) * truth.isfinite() * weight
            early = self.early_loss(_strongest(early_of_windows, counts), truth[:, : len(LABELS)]) * weight
            loss = losses[:, : len(LABELS)].mean() + _EARLY_SHARE * early.mean()
            if self.codes:
                loss = loss + _CODES_SHARE * losses[:, len(LABELS) :].sum(dim=1).mean()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            losses_so_far.append(loss.item())
            if progress is not None and (number % 25 == 0 or number == len(batches)):
                progress(number / len(batches), fmean(losses_so_far[-25:]))
        return fmean(losses_so_far[-(len(batches) // 4 + 1) :])

    def has_collapsed(self, loss: float) -> bool:
        """Whether an epoch that ended with this loss taught nothing, though it was long enough to."""
        return self.schedule.last_epoch >= _TELLING_STEPS and loss > _COLLAPSED * self.constant_loss()

    def constant_loss(self) -> float:
        """Of a network that knows how frequent the labels and codes are and nothing else."""
        positive = self.targets.nan_to_num(0.0).mean(dim=0)
        negative = self.targets.isfinite().float().mean(dim=0) - positive
        weighed = self.rarity * positive
        share = (weighed / (weighed + negative).clamp(min=1e-9)).clamp(1e-6, 1 - 1e-6)
        losses = -(weighed * share.log() + negative * (1 - share).log())
        labels = (1 + _EARLY_SHARE) * losses[: len(LABELS)].mean()
        return (labels + _CODES_SHARE * losses[len(LABELS) :].sum()).item()

    def logits(self, rows: Sequence[TextRow]) -> list[list[float]]:
        """Of each text the labels', the codes' and the labels' of the early head.

        A text is read as in use: in windows, of which the strongest counts.
        """
        self.network.eval()
        found: list[list[float]] = []
        places: list[tuple[int, list[int]]] = []
        for index, row in enumerate(rows):
            places += [(index, list(window.ids)) for window in self.tokenizer.windows(row.text)]
            found.append([-20.0] * (len(LABELS) + len(self.codes) + len(LABELS)))
        places.sort(key=lambda place: len(place[1]))
        for start in range(0, len(places), 16):
            chosen = places[start : start + 16]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                values = torch.cat(self.network(*_pad([ids for _, ids in chosen])), dim=1)
            for (index, _), row_values in zip(chosen, values.float().tolist(), strict=True):
                found[index] = [max(pair) for pair in zip(found[index], row_values, strict=True)]
        return found

    def adapter(self) -> dict[str, Tensor]:
        """As peft saves it."""
        return {name: values.clone() for name, values in get_peft_model_state_dict(self.adapted).items()}

    def heads(self) -> dict[str, Tensor]:
        """As `PooledNetwork.load_heads` takes them."""
        return {name: values.detach().clone() for name, values in self.network.heads().items()}


def run_epochs(
    base: Path,
    rows: Sequence[TextRow],
    recipe: Recipe,
    codes: Sequence[str],
    *,
    after: Callable[[TrainingRun, int, float], None],
    say: Callable[[str], object],
    progress: Callable[[int, float, float], None] | None = None,
) -> TrainingRun:
    """A run of the recipe's epochs; `after` each it is told the run, the epoch and its mean loss.

    progress is told the epoch, the share of it that is done and the mean loss so far.

    Now and then a run collapses at the peak of its learning rate and tells no text from another any more. That shows
    in the first epoch; it then begins anew at half the rates.
    """
    while True:
        run = TrainingRun(base, rows, recipe, recipe.epochs, codes)
        for epoch in range(1, recipe.epochs + 1):
            loss = run.epoch(partial(progress, epoch) if progress else None)
            if epoch == 1 and run.has_collapsed(loss) and recipe.adapter_rate > _LOWEST_RATE:
                say(f"training collapsed (loss {loss:.4f}) at the rate {recipe.adapter_rate:g}: again at half of it")
                recipe = replace(recipe, adapter_rate=recipe.adapter_rate / 2, head_rate=recipe.head_rate / 2)
                break
            after(run, epoch, loss)
        else:
            return run


def _strongest(windows: Tensor, counts: Sequence[int]) -> Tensor:
    """Of each text, which has so many of the windows, the highest logits."""
    return torch.stack([part.amax(dim=0) for part in torch.tensor_split(windows.float(), [*accumulate(counts)][:-1])])


def _pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), PAD, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return ids, mask
