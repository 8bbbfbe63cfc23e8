"""How harmful a case may be, as a sum that people can check; it orders the queue and decides nothing.

The greatest parts come to 100: 40 + 20 + 15 + 10 + 10 + 5, for graffiti 40 + 12 + 8 + 15 + 10 + 10 + 5.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LABEL_WEIGHTS: dict[str, float] = {"drug_shop": 20, "financial_pyramid": 15, "drug_graffiti": 12}
NEAR_SCHOOL = 8.0
CAME_BACK = 10.0
FRESHNESS = 10.0
FRESHNESS_HALF_LIFE_H = 18.0
WAITING_PER_HOUR = 0.2
MAX_WAITING = 5.0
MAX_AUDIENCE = 15.0


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the sum is made of. score in [0, 1]; moments are aware; audience None where it is unknown."""

    score: float
    label: str
    audience: int | None
    published_at: datetime | None
    opened_at: datetime
    came_back: bool = False
    near_school: bool = False


def harm_of(facts: CaseFacts, now: datetime) -> tuple[float, list[dict[str, Any]]]:
    """The value in [0, 100] and its parts, each rounded to a tenth, so that the parts shown sum to the value.

    A part: {"part", "value", "detail"}; `detail` holds numbers only, the words are the page's. Parts of 0 are left
    out. part: model, label, audience, freshness, came_back, near_school, waiting.
    """
    parts: list[tuple[str, float, str]] = [
        ("model", facts.score * 40, f"{facts.score:.2f} × 40"),
        ("label", LABEL_WEIGHTS[facts.label], facts.label),
    ]
    if facts.audience and facts.audience > 1:
        parts.append(("audience", min(3 * math.log10(facts.audience), MAX_AUDIENCE), f"3 × lg {facts.audience}"))
    if facts.published_at is not None:
        age_h = max((now - facts.published_at).total_seconds(), 0) / 3600
        parts.append(("freshness", FRESHNESS * 2 ** (-age_h / FRESHNESS_HALF_LIFE_H), f"{age_h:.0f}"))
    if facts.near_school and facts.label == "drug_graffiti":
        parts.append(("near_school", NEAR_SCHOOL, ""))
    if facts.came_back:
        parts.append(("came_back", CAME_BACK, ""))
    waits_h = max((now - facts.opened_at).total_seconds(), 0) / 3600
    parts.append(("waiting", min(waits_h * WAITING_PER_HOUR, MAX_WAITING), f"{waits_h:.1f}"))
    shown = [(part, round(value, 1), detail) for part, value, detail in parts if round(value, 1)]
    total = round(math.fsum(value for _, value, _ in shown), 1)
    return total, [{"part": part, "value": value, "detail": detail} for part, value, detail in shown]
