"""What a search finds, whatever the engine: disguises, endings, alphabets, handles, phrases, beginnings, highlights."""

import itertools
import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qalqan.store.terms import QueryPhrase, Terms, find_hits, read_query, read_terms


def occurs(phrase: QueryPhrase, terms: Terms) -> bool:
    """The rule that engines follow, in the plainest words."""
    asked = phrase.words
    length = len(asked.plain)
    if phrase.is_exact:
        return any(terms.plain[at : at + length] == asked.plain for at in range(len(terms.plain)))
    if phrase.is_prefix:
        return any(word.startswith(asked.plain[0]) for word in terms.plain)
    return asked.plain[0] in terms.plain or asked.russian[0] in terms.russian or asked.kazakh[0] in terms.kazakh


def finds(query: str, text: str) -> bool:
    phrases, terms = read_query(query), read_terms(text)
    return bool(phrases) and all(occurs(phrase, terms) for phrase in phrases)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        # Disguises
        ("пассив табыс", "пaccив т@быс"),
        ("пассив табыс", "ПАССИВ\u200b ТА\u00adБЫС"),
        ("пассив табыс", "п а с с и в  т.а.б.ы.с"),
        ("пaccив т@быc", "Пассив табыс"),
        ("п а с с и в", "пассив"),
        ("ПАССИВ ТАБЫС", "пассив табыс"),
        ("наркошоп", "НАР\u200bКО\u00adшоп"),
        ("доход", "д0х0д"),
        ("ёлка", "елка"),
        ("fixed wide й", "ﬁxed ｗｉｄｅ и\u0306"),
        # Endings
        ("закладка", "закладки, закладкой, закладку"),
        ("закладки", "закладка"),
        ("пассивный доход", "о пассивном доходе"),
        ("табыс", "табысыңызды арттырыңыз"),
        ("табысыңызды", "табыс"),
        ("қабырға", "қабырғадағы жазулар"),
        ("закладка", "закладканы алдым"),
        # Letters
        ("ақша", "акшаны беремиз"),
        ("акша", "ақшаңды салып ал"),
        ("қазақстан", "Казакстанда"),
        ("kassa", "касса"),
        # Alphabets
        ("пассивный доход", "passivnyi dohod kazhdyi den"),
        ("passivnyi dohod", "пассивный доход"),
        ("табыс", "tabys tap"),
        ("tabys", "табыс"),
        ("ақша", "aqsha kerek"),
        ("закладки", "zakladka"),
        ("zakladka", "закладки"),
        ("об'явление", "ob'yavlenie ob'yavlenie об'явление"),
        # Handles, addresses
        ("club_kz", "join t.me/club_kz now"),
        ("t.me/club_kz", "join https://T.me/Club_KZ?x=1"),
        ("@m0re_t3a", "пишите @M0re_t3a"),
        ("m0re_t3a", "пишите t.me/m0re_t3a"),
        ("m0re_t3a", "пишите m0re_t3a"),
        ("m0re", "@m0re_t3a"),
        ("@shop", "shop"),
        ("info@shop.example", "почта info@shop.example."),
        ("club*", "@clubs_kz"),
        ("t.me/clu*", "t.me/club_kz"),
        ("@m0r*", "@m0re_t3a"),
        # Pictograms
        ("💊", "есть 💊❄️ и всё"),
        ("❄", "есть 💊❄️ и всё"),
        ("👍", "👍🏽"),
        # Phrases, beginnings
        ('"пассивный доход"', "пассивный доход"),
        ('"т@быс тап"', "табыс тап"),
        ("доход*", "доходность"),
        ("зак*", "закладка"),
        ("(доход*)", "доходы"),
        ('доход "без вложений"', "доход каждый день без вложений"),
        ("онлайн-касса", "кассы онлайн"),
        ("онлайн-касс*", "кассы онлайн"),
        # Numbers
        ("20%", "доход 20 процентов"),
        ("5000тг", "за 5000тг"),
        # Only text
        ("(доход)", "доход"),
        ('"доход', "доход"),
        ("-доход", "доход"),
        ("^доход + -", "доход"),
        ("доход " * 2_000, "доход"),
    ],
)
def test_finds(query: str, text: str) -> None:
    assert finds(query, text)
    assert find_hits(text, query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("дох", "доход"),
        ("до*", "доход"),
        ("", "доход"),
        ("  ", "доход"),
        ('"', 'доход "'),
        ("*", "доход *"),
        ("***", "доход"),
        ("%", "100%"),
        ("\x00", "доход"),
        ("\ud83d", "\ud83d"),
        ('"пассивный доход"', "доход пассивный"),
        ('"пассивный доход"', "пассивного дохода"),
        ('"дох*"', "доход"),
        ("NEAR(доход", "доход"),
        ("title:доход", "доход"),
        ("доход NOT пассивный", "доход"),
        ("доход\x00вложений", "доход вложений"),
        ("қала", "қалам"),
        ("касса", "кассета кассир"),
        ("клад", "@zakladka_kz"),
        ("закладка", "@zakladka_kz"),
        ("@m0re_t3a", "@more_tea"),
        ("t.me/shop", "t.me/club/shop"),
        ("💉", "💊"),
        ("доход пассивный", "доход"),
    ],
)
def test_does_not_find(query: str, text: str) -> None:
    assert not finds(query, text)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", Terms((), (), (), [])),
        ("Закладки\nготовы!", Terms(("закладки", "готовы"), ("закладк", "готов"), ("закладки", "готов"), [])),
        ("Ақшаны", Terms(("акшаны",), ("акшаны",), ("акша",), [])),
        ("Dohod", Terms(("dohod",), ("доход",), ("доход",), [])),
        ("t.me/Shop_Kz", Terms(*[("t", "me", "shop", "kz")] * 3, [])),
        ("5 000тг", Terms(*[("5", "000тг")] * 3, [])),
        ("💊", Terms(*[("emoji1f48a",)] * 3, [])),
        ("━━ ▪ → № ₸", Terms((), (), (), [])),
        ("ы" * 100, Terms(("ы",), ("ы",), ("ы",), [])),
        ("абвгд" * 20, Terms(("абвгд" * 12 + "абвг",), ("абвгд" * 12 + "абвг",), ("абвгд" * 12 + "абвк",), [])),
    ],
)
def test_rows(text: str, terms: Terms) -> None:
    assert read_terms(text) == terms


def test_query_phrases() -> None:
    phrases = [
        (phrase.words.plain, phrase.is_exact, phrase.is_prefix)
        for phrase in read_query('Табыс "таза  табыс" t.me/club_kz t.me/shop* касс* wi-fi + табыс ТАБЫС')
    ]
    assert phrases == [
        (("табыс",), False, False),
        (("таза", "табыс"), True, False),
        (("t", "me", "club", "kz"), True, False),
        (("t", "me"), True, False),
        (("shop",), False, True),
        (("касс",), False, True),
        (("wi",), False, False),
        (("fi",), False, False),
    ]


@pytest.mark.parametrize(
    ("text", "query", "hits"),
    [
        ("Ваш пaccив т@быс, п а с с и в", "пассив табыс", ["пaccив", "т@быс", "п а с с и в"]),
        ("💸💸 НАР\u200bКО\u00adшоп тут", "наркошоп", ["НАР\u200bКО\u00adшоп"]),
        ("пассивный доход, доход пассивный", '"пассивный доход"', ["пассивный доход"]),
        ("пассивный доход", '"пассивный доход" доход', ["пассивный доход"]),
        ("Доходность и доходы", "доход*", ["Доходность", "доходы"]),
        ("да да да", '"да да"', ["да да"]),
        ("вот @M0re_t3a и more", "m0re", ["M0re", "more"]),
        ("есть 💊❄️!", "❄", ["❄"]),
        ("и\u0306од", "йод", ["и\u0306од"]),
        ("только доход", "доход вложений", ["доход"]),
        ("ничего", "доход", []),
        ("", "доход", []),
        ("доход", "", []),
    ],
)
def test_hits(text: str, query: str, hits: list[str]) -> None:
    assert [text[start:end] for start, end in find_hits(text, query)] == hits


TEXTS = st.text(
    st.one_of(
        st.sampled_from("абвгәғқңөұүіеоскрХЕМНabcekmoprtxyXYZ0134@€$.-_*|·'\"  \n\u200b\u0306\u0336❄️💊🔥мф#/:"),
        st.characters(),
        st.characters(categories=["Cs", "Mn", "Lo", "No"]),
    ),
    max_size=80,
)


@given(TEXTS)
def test_rows_are_of_one_length_and_lead_back_to_the_text(text: str) -> None:
    terms = read_terms(text)
    assert len(terms.plain) == len(terms.russian) == len(terms.kazakh) == len(terms.places)
    for word in (*terms.plain, *terms.russian, *terms.kazakh):
        assert 0 < len(word) <= 64 and not re.search(r'[\s"\ud800-\udfff]', word)
    assert all(0 <= start < end <= len(text) for start, end in terms.places)
    starts, ends = [place[0] for place in terms.places], [place[1] for place in terms.places]
    assert starts == sorted(starts) and ends == sorted(ends)


@given(TEXTS, TEXTS)
def test_hits_lie_within_the_text_and_follow_the_rule(text: str, query: str) -> None:
    hits = find_hits(text, query)
    assert all(0 <= start < end <= len(text) for start, end in hits)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(hits))
    terms = read_terms(text)
    assert bool(hits) == any(occurs(phrase, terms) for phrase in read_query(query))


@given(TEXTS)
def test_a_phrase_is_exact_or_a_prefix_or_one_word(query: str) -> None:
    for phrase in read_query(query):
        assert not (phrase.is_exact and phrase.is_prefix)
        assert phrase.is_exact or len(phrase.words.plain) == 1


@given(
    st.lists(
        st.sampled_from(["доход", "табысы", "ақша", "tabys", "@shop_kz", "💊", "кл@д", "м.е.ф", "20%"]), min_size=1
    )
)
def test_a_text_finds_itself(words: list[str]) -> None:
    text = "  ".join(words)
    assert finds(text, text)
    assert finds(f'"{text}"', text)


@pytest.mark.parametrize(
    "piece",
    ["a", "а", "a.", "а ", "a_", "@a", "'", "a'", "\u0336", "и\u0306", "\u0903", "💊", "http://", "м💊", "\ud800"],
)
def test_hostile_texts_take_bounded_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    read_terms(text)
    find_hits(text, f'"{piece} {piece}" {piece}* {piece}')
    read_query(text)
    assert time.process_time() - began < 30


def test_many_words_of_their_own_take_bounded_time() -> None:
    text = " ".join(
        f"{number:x}".translate(str.maketrans("0123456789abcdef", "абвгдежзиклмнопр")) for number in range(40_000)
    )
    began = time.process_time()
    read_terms(text)
    assert time.process_time() - began < 30


def test_threads_read_alike() -> None:
    text = " ".join(f"закладк{ending} қабырға{ending}" for ending in ("и", "ой", "у", "ами", "ах", "а"))
    expected = read_terms(text)
    differing: list[Terms] = []

    def read(number: int) -> None:
        for turn in range(50):
            terms = read_terms(f"{text} доход{'абвг'[turn % 4] * number}")
            if terms.russian[:-1] != expected.russian:
                differing.append(terms)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == []
