"""Forms of one Kazakh word meet, different words do not; on words judged by hand and on words the stemmer never saw."""

import csv
import time
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qalqan.normalise import without_kazakh_letters
from qalqan.normalise.kazakh_stem import kazakh_stem

# `same`: forms of one word; `unknown`: the same of words that are no known roots; `apart`: two words that look alike.
# Two lines of one root (сату, сатушы) may meet or not.
JUDGED = list(csv.DictReader(Path(__file__).with_name("kazakh_forms.csv").read_text(encoding="utf-8").splitlines()))


def groups(judged: str) -> list[tuple[str, list[str]]]:
    """Root and forms, in plain letters."""
    return [
        (without_kazakh_letters(row["root"]), list(dict.fromkeys(without_kazakh_letters(row["words"]).split())))
        for row in JUDGED
        if row["judged"] == judged
    ]


def recall_and_precision(judged: str) -> tuple[float, float]:
    """Of the pairs of forms that should meet, the part that does; of the pairs that meet, the part that should."""
    forms = [
        (number, root, form, kazakh_stem(form)) for number, (root, words) in enumerate(groups(judged)) for form in words
    ]
    right = wrong = missed = 0
    for (one, one_root, one_form, one_stem), (other, other_root, other_form, other_stem) in combinations(forms, 2):
        if one == other:
            right += one_stem == other_stem
            missed += one_stem != other_stem
        elif one_root != other_root and one_form != other_form:
            wrong += one_stem == other_stem
    return right / (right + missed), right / (right + wrong)


def test_the_list_is_as_large_as_it_should_be() -> None:
    assert len(groups("same")) >= 120 and all(len(words) >= 4 for _, words in groups("same"))
    assert len(groups("unknown")) >= 40
    assert len(groups("apart")) >= 60 and all(len(words) == 2 for _, words in groups("apart"))


@pytest.mark.parametrize(("judged", "recall", "precision"), [("same", 0.99, 0.999), ("unknown", 0.8, 0.99)])
def test_forms_meet(judged: str, recall: float, precision: float) -> None:
    measured = recall_and_precision(judged)
    assert measured[0] >= recall and measured[1] >= precision, measured


def test_words_that_look_alike_stay_apart() -> None:
    met = [words for _, words in groups("apart") if kazakh_stem(words[0]) == kazakh_stem(words[1])]
    assert len(met) <= 1, met


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("табысыңызды", "табыс"),
        ("кітабы", "китап"),
        ("халқына", "халык"),
        ("орнынан", "орын"),
        ("қабырғадағы", "кабырга"),
        ("достарымыздан", "дос"),
        ("жапты", "жап"),
        ("жауып", "жап"),
        ("оқимыз", "окы"),
        ("келмегендер", "кел"),
        ("закладканы", "закладка"),
        # Not cut: the end of the root only looks like an ending.
        ("қала", "кала"),
        ("теңге", "тенге"),
        ("алматы", "алматы"),
        ("су", "су"),
        ("у", "у"),
        ("ь", "ь"),
        ("", ""),
        ("漢字", "漢字"),
    ],
)
def test_stems(word: str, stem: str) -> None:
    assert kazakh_stem(without_kazakh_letters(word)) == stem


@given(st.text(st.sampled_from("абгдезиклмнопрстуышйьюяцщ'漢a1"), max_size=64))
def test_a_stem_is_no_longer_than_a_root_can_be(word: str) -> None:
    stem = kazakh_stem(word)
    assert bool(stem) == bool(word)
    assert len(stem) <= len(word) + 1  # халқы: халық


@pytest.mark.parametrize("piece", ["а", "ны", "лар", "лардагы", "мас", "ды"])
def test_a_row_of_endings_takes_bounded_time(piece: str) -> None:
    word = (piece * 64)[:64]
    began = time.process_time()
    for _ in range(100):
        kazakh_stem(word)
    assert time.process_time() - began < 2
