"""What decided cases teach: two people, the texts they meant, each once, nothing personal, and nothing too soon."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from classifiers.text.rows import parse_row, read_rows
from qalqan import clock
from qalqan.records import Entity
from qalqan_cli.decisions import text_key

if TYPE_CHECKING:
    from review_ui.casework.training_lines import TrainingLines

pytestmark = pytest.mark.usefixtures("database")

NEWS = "Полиция Примерска предупредила о пирамиде: организаторы обещали жителям доход и исчезли с деньгами"


def found(*, days: int = 0) -> "TrainingLines":
    from review_ui.casework.training_lines import training_lines

    return training_lines(text_key, decided_before=clock.now() - timedelta(days=days))


def reject(desk: Any, case: Any, *people: Any, codes: tuple[str, ...] = ("EX01",), **answers: Any) -> None:
    """By one person, or by two against the one who confirmed first."""
    if len(people) == 3:
        desk.decide(case, people[0])
    for person in people[-2:] if len(people) == 3 else people:
        desk.decide(case, person, outcome="reject", codes=list(codes), **answers)


def outcome(lines: "TrainingLines") -> tuple[list[tuple[str, tuple[str, ...]]], dict[str, int]]:
    return [(line.cluster, line.labels) for line in lines.learnt], dict(lines.left_out)


class TestWhoTeaches:
    def test_two_people_who_confirm_teach_the_label_and_the_codes_of_both(self, desk) -> None:
        case = desk.case()
        desk.decide(case, desk.aliya, codes=["FP01", "FP02", "FP08", "FP15"])
        assert outcome(found()) == ([], {"open": 1})
        second = desk.decide(case, desk.bolat, codes=["FP01", "FP02", "FP06", "FP15"])
        lines = found()
        (line,) = lines.learnt
        material = case.materials.get()
        assert json.loads(lines.content()) == {
            "id": f"decision-{material.document_id}",
            "text": material.document["text"],
            "lang": "ru",
            "labels": ["financial_pyramid"],
            "codes": ["FP01", "FP02", "FP15"],
            "group": "decision",
            "source": line.source,
            "cluster": f"case-{case.pk}",
            "weight": 1.0,
            "decided_at": clock.to_iso(second.at),
            "model": "text-kk-ru 0.1",
        }
        assert "primer" not in line.source
        row = parse_row(line.line())
        assert (row.labels, row.codes, row.weight, row.kinship) == (
            {"financial_pyramid"}, ("FP01", "FP02", "FP15"), 1.0, (f"source {line.source}", f"cluster case-{case.pk}"),
        )  # fmt: skip

    def test_two_people_who_reject_teach_that_it_is_harmless(self, desk) -> None:
        case = desk.case(text=NEWS)
        reject(desk, case, desk.aliya, desk.bolat, desk.dana)
        (line,) = found().learnt
        assert (line.text, line.labels, line.codes) == (NEWS, (), ("EX01",))

    def test_one_person_alone_teaches_nothing(self, desk) -> None:
        for text in (NEWS, NEWS + " во второй раз за этот год", NEWS + " снова, сообщает пресс-служба города"):
            reject(desk, desk.case(text=text, number=len(text)), desk.aliya)
        assert outcome(found()) == ([], {"one_person": 3})

    def test_a_second_person_may_reject_another_case_of_the_source(self, desk) -> None:
        first = desk.case(number=1, text=NEWS)
        reject(desk, first, desk.aliya)
        other = desk.case(number=1, channel="primer_novosti", text="Другой канал пишет о ярмарке вакансий и зарплатах")
        reject(desk, other, desk.dana)
        second = desk.case(number=2, text="Суд Примерска вынес приговор организатору пирамиды и двум помощникам")
        reject(desk, second, desk.bolat, codes=("EX02",))
        lines = found()
        assert outcome(lines) == ([(f"case-{second.pk}", ()), (f"case-{first.pk}", ())], {"one_person": 1})
        # The earlier decision is final since the second person's.
        assert len({line.decided_at for line in lines.learnt}) == 1
        desk.request(number=3, text="Канал сменил хозяина: вход от 20 000 ₸, приведи двоих и получай свой процент")
        assert outcome(found())[1]["one_person"] == 3

    def test_what_people_disagree_on_teaches_nothing(self, desk) -> None:
        waiting, closed = desk.case(channel="primer_a"), desk.case(channel="primer_b")
        desk.decide(waiting, desk.aliya)
        desk.decide(waiting, desk.bolat, outcome="reject", codes=["EX01"])
        desk.decide(closed, desk.aliya, kind="channel")
        desk.decide(closed, desk.bolat)
        reject(desk, closed, desk.dana)
        assert (waiting.state, closed.state) == ("third_review", "rejected")
        assert outcome(found()) == ([], {"disagreement": 2})

    def test_two_of_three_are_enough(self, desk) -> None:
        case = desk.case()
        desk.decide(case, desk.aliya)
        desk.decide(case, desk.bolat, outcome="reject", codes=["EX01"])
        desk.decide(case, desk.dana)
        assert outcome(found()) == ([(f"case-{case.pk}", ("financial_pyramid",))], {})

    @pytest.mark.parametrize(
        ("answers", "reason"),
        [
            ({"outcome": "return"}, "returned"),
            ({"outcome": "hand_over"}, "handed_over"),
            ({"outcome": "reject", "codes": ["EX01", "EX11"]}, "says_nothing"),
            ({"outcome": "reject", "codes": ["EX13"]}, "says_nothing"),
            ({"outcome": "reject", "codes": ["EX14"]}, "says_nothing"),
            ({"outcome": "reject", "codes": []}, "no_code"),
        ],
    )
    def test_outcomes_that_say_nothing_of_the_text(self, desk, answers, reason) -> None:
        desk.decide(desk.case(), desk.aliya, **answers)
        assert outcome(found()) == ([], {reason: 1})

    def test_what_was_withdrawn_teaches_nothing(self, desk) -> None:
        from review_ui.casework.decisions import withdraw
        from review_ui.casework.packages import add_approved, create_package, remove_request

        case = desk.case(channel="primer_a")
        desk.decide(case, desk.aliya)
        withdraw(desk.decide(case, desk.bolat), desk.bolat)
        assert outcome(found()) == ([], {"open": 1})
        request = desk.request(channel="primer_b", text="Вход от 5 000 ₸, приведи троих друзей, получай долю с каждого")
        package = create_package(desk.erlan, "R4")
        add_approved(package, desk.erlan)
        assert len(found().learnt) == 1
        remove_request(package, request, desk.erlan, "Владелец прислал лицензию")
        assert outcome(found()) == ([], {"open": 1, "withdrawn": 1})

    def test_young_decisions_wait(self, desk) -> None:
        desk.request()
        assert outcome(found(days=14)) == ([], {"quarantine": 1})


class TestWhichTexts:
    def test_a_confirmed_post_teaches_itself_and_what_was_quoted(self, desk) -> None:
        from review_ui.casework.intake import take_in

        texts = ("Вход от 20 000 ₸, доход 30 % в месяц, пиши в личку и зови друзей",
                 "Пригласи двоих и получай по десять процентов с каждого взноса каждую неделю",
                 "Сегодня в городе концерт, приходите всей семьёй, вход свободный для всех")  # fmt: skip
        posts = [desk.post(number, text) for number, text in enumerate(texts, 1)]
        take_in(desk.store)
        from review_ui.casework.models import Case

        case = Case.objects.get()
        materials = {one.document_id: one for one in case.materials.all()}
        quotes = [
            {"material": materials[posts[0].id].pk, "start": 0, "end": 4, "text": "Вход", "code": "FP15"},
            {"material": materials[posts[1].id].pk, "start": 0, "end": 8, "text": "Пригласи", "code": "FP02"},
        ]
        target = case.targets.get(kind="message", address=posts[0].canonical_url)
        for person in (desk.aliya, desk.bolat):
            desk.decide(case, person, kind="channel", target_id=target.pk, quotes=quotes)
        lines = found()
        assert sorted((line.text, line.codes, line.weight) for line in lines.learnt) == [
            (texts[0], ("FP15",), 0.5),
            (texts[1], ("FP02",), 0.5),
        ]
        assert lines.left_out == {"unproven": 1}

    def test_a_confirmed_channel_teaches_what_both_saw_with_a_sign_of_the_label(self, desk) -> None:
        from casework_makers import findings

        from review_ui.casework.intake import take_in
        from review_ui.casework.models import Case

        desk.post(1)
        desk.post(2, "Розыгрыш телефона среди подписчиков нашего канала, итоги в пятницу", label="drug_graffiti")
        both = desk.post(3, "Меняем стены города и зовём в дело, взнос вернётся втрое за месяц")
        desk.store.put_documents(
            [both.model_copy(update={"findings": findings(financial_pyramid=0.9, drug_graffiti=0.9)})]
        )
        desk.post(4, " ")
        take_in(desk.store)
        case = Case.objects.get()
        desk.decide(case, desk.aliya, kind="channel")
        desk.post(5, "Новая запись того же канала: доход растёт, успей войти до конца недели")
        take_in(desk.store)
        desk.decide(case, desk.bolat, kind="channel")
        lines = found()
        assert [line.id for line in lines.learnt] == [f"decision-{case.materials.first().document_id}"]
        assert lines.left_out == {"no_text": 1, "unproven": 1, "unseen": 1}
        assert [(one.line.id, one.reason) for one in lines.disputed] == [(f"decision-{both.id}", "other_label")]

    def test_copies_count_once_wherever_they_stand(self, desk) -> None:
        advert = "Набор в клуб «Пример»: вход {} ₸, доход каждую неделю, приведи двоих, пиши @primer_{}"
        older = desk.request(channel="primer_a", text=advert.format(20_000, "one"))
        newer = desk.request(channel="primer_b", text=advert.format("30 000", "two"))
        original = older.case.materials.get().document_id
        desk.request(
            channel="primer_c", text="Совсем иначе набранный текст того же объявления", near_duplicate_of=original
        )
        lines = found()
        assert [line.cluster for line in lines.learnt][-1] == f"case-{newer.case_id}"
        assert lines.left_out == {"repeated": 1}
        assert len(lines.learnt) == 2

    def test_a_campaign_of_a_channel_counts_as_one_case(self, desk) -> None:
        from review_ui.casework.intake import take_in
        from review_ui.casework.models import Case

        for number in range(30):
            word = "абвгдежзиклмнопрстуфхцчшщэюяйъыь"[number]
            desk.post(number, f"Вход в {word * 5} открыт, {word * 7} приносит {word * 6}, приведи двоих")
        take_in(desk.store)
        case = Case.objects.get()
        for person in (desk.aliya, desk.bolat):
            desk.decide(case, person, kind="channel")
        lines = found()
        assert [line.weight for line in lines.learnt] == [0.05] * 20
        assert lines.left_out == {"flood": 10}

    def test_of_a_long_page_the_part_that_was_quoted_is_learnt(self, desk) -> None:
        long = "Новости района и погода на завтра. " * 100
        text = f"{long}Вход от 20 000 ₸, приведи двоих. {long}"
        case = desk.case(text=text)
        start = text.index("Вход")
        quote = {"material": case.materials.get().pk, "start": start, "end": start + 4, "text": "Вход", "code": "FP15"}
        for person in (desk.aliya, desk.bolat):
            desk.decide(case, person, quotes=[quote])
        (line,) = found().learnt
        assert (len(line.text), line.text.index("Вход от 20 000 ₸")) == (2000, 300)
        unquoted = desk.case(channel="primer_b", text=text + "Без цитаты")
        for person in (desk.aliya, desk.bolat):
            desk.decide(unquoted, person, codes=["FP00"], quotes=[])
        assert found().left_out == {"long": 1}

    def test_personal_data_stays_in_the_house(self, desk) -> None:
        personal = {
            "phone": "+7 701 000 00 00",
            "card": "0000 0012 3456 7890",
            "wallet_trx": "TPrimerPrimerPrimerPrimerPrimer000",
            "email": "primer@primer.example",
        }
        text = "Вход от 20 000 ₸. " + ", ".join(personal.values()) + ", ещё 8 701 000 00 01"
        entities = tuple(
            Entity(kind=kind, value=value, start=text.index(value), end=text.index(value) + len(value))
            for kind, value in personal.items()
        )
        desk.request(text=text, entities=(*entities, Entity(kind="card", value="", start=-5, end=0)))
        (line,) = found().learnt
        assert line.text == (f"Вход от 20 000 ₸. {'X' * 16}, {'X' * 19}, {'X' * 34}, •••@•••, ещё 8 ••• ••• •• 01")


class TestDisputes:
    def test_against_a_very_sure_model_a_person_looks_first(self, desk) -> None:
        sure = desk.case(channel="primer_a", text=NEWS, score=0.95)
        reject(desk, sure, desk.aliya, desk.bolat, desk.dana)
        unsure = desk.case(channel="primer_b", text=NEWS + " — так пишет газета", score=0.9499)
        reject(desk, unsure, desk.aliya, desk.bolat, desk.dana)
        unseen = desk.case(channel="primer_c", label="drug_shop", score=0.9)
        for person in (desk.aliya, desk.bolat):
            desk.decide(unseen, person)
        lines = found()
        assert [line.cluster for line in lines.learnt] == [f"case-{unsure.pk}"]
        assert [(one.line.cluster, one.line.labels, one.reason, one.score) for one in lines.disputed] == [
            (f"case-{unseen.pk}", ("financial_pyramid",), "sure_model", 0.02),
            (f"case-{sure.pk}", (), "sure_model", 0.95),
        ]

    def test_a_text_that_was_decided_both_ways_is_not_learnt(self, desk) -> None:
        confirmed = desk.request(channel="primer_a")
        rejected = desk.case(channel="primer_b")
        reject(desk, rejected, desk.aliya, desk.bolat, desk.dana)
        lines = found()
        assert outcome(lines) == ([], {})
        assert [(one.line.cluster, one.reason) for one in lines.disputed] == [
            (f"case-{rejected.pk}", "decided_otherwise"),
            (f"case-{confirmed.case_id}", "decided_otherwise"),
        ]


class TestExport:
    def test_both_files_are_written_and_the_journal_knows(self, desk, tmp_path: Path) -> None:
        from qalqan.ids import sha256_hex
        from review_ui.audit.models import AuditEntry
        from review_ui.casework.training_lines import export_training_lines, record_learning

        desk.request()
        reject(desk, desk.case(channel="primer_b", text=NEWS, score=0.99), desk.aliya, desk.bolat, desk.dana)
        desk.case(channel="primer_c")
        lines, path = found(), tmp_path / "new" / "decided.jsonl"
        assert export_training_lines(lines, path) == path.with_name("decided.disputed.jsonl")
        assert sorted(one.name for one in path.parent.iterdir()) == ["decided.disputed.jsonl", "decided.jsonl"]
        assert [row.labels for row in read_rows(path)] == [{"financial_pyramid"}]
        (disputed,) = map(json.loads, (path.parent / "decided.disputed.jsonl").read_text("utf-8").splitlines())
        assert (disputed["text"], disputed["dispute"], disputed["score"]) == (NEWS, "sure_model", 0.99)
        facts = {
            "decided_before": clock.to_iso(lines.decided_before),
            "rows": 1,
            "sha256": sha256_hex(path.read_bytes()),
            "classes": {"financial_pyramid": 1},
            "disputed": 1,
            "left_out": {"open": 1},
        }
        entry = AuditEntry.objects.latest("sequence")
        assert (entry.act, entry.details) == ("export.written", {"format": "training", **facts})
        record_learning(lines)
        entry = AuditEntry.objects.latest("sequence")
        assert (entry.actor, entry.act, entry.details) == ("system:training", "training.lines_taken", facts)
        assert lines.sentences() == [
            "1 texts of decided cases to learn from: 1 financial_pyramid",
            "disputed 1: the model was very sure of the contrary",
            "left out 1: the case waits for a decision or a second opinion",
        ]

    def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(self, desk, tmp_path: Path) -> None:
        from qalqan.errors import QalqanError
        from review_ui.casework.training_lines import export_training_lines

        (tmp_path / "decided.jsonl").mkdir()
        with pytest.raises(QalqanError, match=r"decided\.jsonl: Is a directory"):
            export_training_lines(found(), tmp_path / "decided.jsonl")
        assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".partial")] == []


def qalqan(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("QALQAN_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "qalqan_cli", *arguments],
        env={**inherited, "QALQAN_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command(tmp_path: Path) -> None:
    done = qalqan(tmp_path, "export", "training", "--output", str(tmp_path / "decided.jsonl"))
    assert (done.returncode, done.stdout, (tmp_path / "decided.jsonl").read_bytes()) == (0, "", b""), done.stderr
    assert "0 texts of decided cases to learn from: none" in done.stderr
    assert qalqan(tmp_path, "export", "audit", "--output", str(tmp_path / "audit.jsonl")).returncode == 0
    assert '"format":"training"' in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "training", "--since", "3", "--output", "x"], "leave out --package and --since"),
        (["export", "csv", "--quarantine-days", "3", "--output", "x"], "belongs to the format training"),
        (["train", "text", "--quarantine-days", "3"], "--quarantine-days goes with --with-decisions"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = qalqan(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert says in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--output", "models/text"], "holds the promoted weights"),
        (["--output", "models/mine", "--promote"], "holds the weights in use"),
    ],
)
def test_training_never_writes_over_what_it_is_held_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qalqan.toml").write_text('[classifier]\ntext_model = "models/mine"\n')
    done = qalqan(tmp_path, "train", "text", *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert says in done.stderr
