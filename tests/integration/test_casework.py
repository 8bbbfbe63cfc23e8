"""From a flagged document to an approved request: intake, claims, two opinions, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")


def keys_of(call: Callable[[], Any]) -> list[str]:
    from review_ui.casework.refusals import Refusal

    with pytest.raises(Refusal) as refused:
        call()
    assert str(refused.value)
    return [problem.key for problem in refused.value.problems]


class TestIntake:
    def test_opens_one_case_per_channel_with_everything_flagged_there(self, desk) -> None:
        from django.utils import translation

        from review_ui.casework.intake import IntakeCount, take_in
        from review_ui.casework.models import Case, Decision

        desk.channel()
        desk.post(118)
        desk.post(120, score=0.97, lang="kk")
        desk.post(7, channel="ulgi_duken", label="drug_shop", score=0.9)
        assert take_in(desk.store) == IntakeCount(cases=2, materials=3)
        case = Case.objects.get(cluster_key="telegram:primer_dohod_000")
        assert (case.title, case.label, case.state, case.audience, case.languages) == (
            "«Пример-Доход», третий раунд", "financial_pyramid", "queued", 18420, ["kk", "ru"],
        )  # fmt: skip
        assert case.scores == {"financial_pyramid": 0.97, "drug_shop": 0.02, "drug_graffiti": 0.02}
        assert [m.is_sealed for m in case.materials.all()] == [True, True]
        assert {(t.kind, t.address) for t in case.targets.all()} == {
            ("message", "https://t.me/primer_dohod_000/118"),
            ("message", "https://t.me/primer_dohod_000/120"),
            ("channel", "@primer_dohod_000"),
            ("bot", "@primer_dohod_bot"),
        }
        with translation.override(None):
            assert {t.kind: t.note.replace("\xa0", "") for t in case.targets.all()} == {
                "message": "this post only, 1 similar post stays",
                "channel": "214 posts, 212 without signs, 18420 readers",
                "bot": "named in the posts; a request of its own",
            }
        assert Decision.objects.count() == 0

    def test_is_idempotent(self, desk) -> None:
        from review_ui.casework.intake import IntakeCount, take_in
        from review_ui.casework.models import Case, IntakeMark

        case = desk.case()
        before = list(Case.objects.values("pk", "scores", "state", "title"))
        assert take_in(desk.store) == IntakeCount(0, 0)
        IntakeMark.objects.update(taken_until=None)
        assert take_in(desk.store) == IntakeCount(0, 0)
        assert list(Case.objects.values("pk", "scores", "state", "title")) == before
        assert case.targets.count() == 3

    def test_adds_to_an_open_case(self, desk) -> None:
        from review_ui.casework.intake import IntakeCount, take_in

        case = desk.case(score=0.7)
        desk.post(119, score=0.99)
        assert take_in(desk.store) == IntakeCount(0, 1)
        case.refresh_from_db()
        assert (case.scores["financial_pyramid"], case.harm_parts[0]) == (
            0.99,
            {"part": "model", "value": 39.6, "detail": "0.99 × 40"},
        )
        assert case.harm == pytest.approx(sum(part["value"] for part in case.harm_parts))

    def test_a_new_post_after_a_decision_opens_a_case_that_came_back(self, desk) -> None:
        from review_ui.casework.intake import IntakeCount, take_in
        from review_ui.casework.models import Case

        first = desk.case()
        desk.decide(first, desk.aliya, outcome="reject", codes=["EX01"])
        assert take_in(desk.store) == IntakeCount(0, 0)  # the same post does not come back
        desk.post(119)
        assert take_in(desk.store) == IntakeCount(1, 1)
        second = Case.objects.exclude(pk=first.pk).get()
        assert (second.returned_from, second.state) == (first, "queued")
        assert {"part": "came_back", "value": 10.0, "detail": ""} in second.harm_parts

    def test_pages_are_grouped_by_host_and_platforms_never_become_targets(self, desk) -> None:
        from review_ui.casework.intake import take_in
        from review_ui.casework.models import Case

        desk.page("https://shop.ulgi-duken.example/katalog")
        desk.page("https://shop.ulgi-duken.example/tovar")
        desk.page("https://203.0.113.9/katalog")
        take_in(desk.store)
        case = Case.objects.get(cluster_key="web:shop.ulgi-duken.example")
        assert [(t.kind, t.address) for t in case.targets.all()] == [
            ("page", "https://shop.ulgi-duken.example/katalog"),
            ("subdomain", "shop.ulgi-duken.example"),
            ("domain", "ulgi-duken.example"),
            ("page", "https://shop.ulgi-duken.example/tovar"),
        ]
        assert Case.objects.get(cluster_key="web:203.0.113.9").targets.count() == 0

    def test_hostile_documents_are_taken_in_or_left_out_alone(self, desk) -> None:
        from qalqan.records import Entity
        from review_ui.casework.intake import take_in
        from review_ui.casework.models import Case

        nul = desk.post(1, channel="primer_nul", text="до\0сле", title="т\0", entities=(
            Entity(kind="domain", value="a\0b.example", start=0, end=3),
            Entity(kind="url", value="http://[", start=0, end=3),
            Entity(kind="domain", value="x" * 5000 + ".example", start=0, end=3),
        ), links=("http://[::", "https://t.me/\0bot"))  # fmt: skip
        desk.channel("primer_many", subscribers=10**18)
        desk.post(2, channel="primer_many")
        desk.post(3, channel="k" * 3000, title="т" * 3000)
        assert take_in(desk.store).cases == 3
        case = Case.objects.get(channel="primer_nul")
        assert case.materials.get().document["text"] == "до\ufffdсле"
        assert case.materials.get().document_id == nul.id
        assert {target.kind for target in case.targets.all()} == {"message", "channel"} | {"domain"}
        assert Case.objects.get(channel="primer_many").audience == 10**12

    def test_the_protected_list_is_imported(self, desk, tmp_path) -> None:
        from django.core.management import CommandError, call_command

        from review_ui.casework.addresses import protection_of

        path = tmp_path / "list.csv"
        path.write_text("address,reason\nhttps://www.primer-smi.example/x,СМИ\n@Primer_Smi,СМИ\n", "utf-8-sig")
        call_command("import_protected", str(path))
        assert protection_of("video.primer-smi.example") == "primer-smi.example: СМИ"
        assert protection_of("@primer_smi") == "@primer_smi: СМИ"
        assert protection_of("akimat.gov.kz") == "gov.kz: state body"
        assert protection_of("notprimer-smi.example", "@primer") == ""
        path.write_text("address,reason\nprimer.example,\n")
        with pytest.raises(CommandError, match="line 2: address and reason are needed"):
            call_command("import_protected", str(path))

    def test_marks_what_the_protected_list_holds(self, desk) -> None:
        from review_ui.casework.models import ProtectedTarget

        ProtectedTarget.objects.create(address="@primer_dohod_000", reason="зарегистрированное СМИ")
        case = desk.case()
        assert case.targets.get(kind="channel").protected == "@primer_dohod_000: зарегистрированное СМИ"
        assert case.targets.get(kind="message").protected == ""


class TestOpinions:
    def test_two_people_make_a_request(self, desk) -> None:
        case = desk.case()
        first = desk.decide(case, desk.aliya)
        assert (case.state, first.stage) == ("second_review", 1)
        second = desk.decide(case, desk.bolat, urgency="urgent")
        request = case.requests.get()
        assert (case.state, request.number, request.state, request.route, request.urgency) == (
            "approved", f"{case.pk}-1", "approved", "R4", "urgent",
        )  # fmt: skip
        assert (request.first, request.second, request.target) == (first, second, first.target)
        assert first.seen["models"] == ["text-kk-ru 0.1"]

    def test_one_person_never_gives_both_opinions(self, desk) -> None:
        from review_ui.casework.decisions import stage_for

        case = desk.case()
        desk.decide(case, desk.aliya)
        assert stage_for(case, desk.aliya) is None
        assert keys_of(lambda: desk.decide(case, desk.aliya)) == ["own_decision"]
        assert case.requests.count() == 0

    def test_other_targets_go_to_a_third_person_who_joins_one(self, desk) -> None:
        case = desk.case()
        first = desk.decide(case, desk.aliya, kind="channel")
        desk.decide(case, desk.bolat)
        assert case.state == "third_review"
        assert keys_of(lambda: desk.decide(case, desk.dana, kind="bot")) == ["third_target"]
        third = desk.decide(case, desk.dana, kind="channel")
        request = case.requests.get()
        assert (case.state, request.first, request.second) == ("approved", first, third)

    def test_a_disagreeing_second_never_closes_the_case_alone(self, desk) -> None:
        case = desk.case()
        desk.decide(case, desk.aliya)
        desk.decide(case, desk.bolat, outcome="reject", codes=["EX02"])
        assert case.state == "third_review"
        desk.decide(case, desk.dana, outcome="reject", codes=["EX02"])
        assert (case.state, case.requests.count()) == ("rejected", 0)

    @pytest.mark.parametrize(
        ("outcome", "state", "codes"),
        [("reject", "rejected", ["EX01"]), ("hand_over", "handed_over", ["EX01", "EX15"]),
         ("return", "needs_capture", ["EX01", "EX12"])],
    )  # fmt: skip
    def test_one_person_is_enough_to_drop(self, desk, outcome, state, codes) -> None:
        case = desk.case()
        decision = desk.decide(case, desk.aliya, outcome=outcome, codes=["EX01"])
        assert (case.state, decision.codes) == (state, codes)

    def test_a_returned_case_begins_a_new_round_with_a_new_capture(self, desk) -> None:
        from review_ui.casework.intake import take_in

        case = desk.case(is_sealed=False)
        assert keys_of(lambda: desk.decide(case, desk.aliya, quotes=[])) == ["unsealed"]
        assert keys_of(lambda: desk.decide(case, desk.aliya, outcome="hand_over")) == ["unsealed"]
        desk.decide(case, desk.aliya, outcome="return")
        desk.post()
        take_in(desk.store)
        case.refresh_from_db()
        assert (case.state, case.round) == ("queued", 2)
        desk.decide(case, desk.aliya)
        desk.decide(case, desk.bolat)
        assert case.state == "approved"

    def test_only_moderators_decide(self, desk) -> None:
        case = desk.case()
        for name in ("erlan", "reader", "auditor"):
            assert keys_of(lambda name=name: desk.decide(case, desk.people[name])) == ["role"]

    @pytest.mark.parametrize(
        ("answers", "keys"),
        [
            ({"label": ""}, ["label", "formula"]),
            ({"speaker": "reporter"}, ["speaker"]),
            ({"codes": ["FP01", "FP15"]}, ["formula"]),
            ({"codes": ["FP00"], "quotes": []}, []),
            ({"codes": ["FP01", "FP02", "FP15", "EX02"]}, ["exculpatory"]),
            ({"codes": ["FP01", "FP02", "FP15", "EX02"], "override_reason": "Это не предупреждение"}, ["exculpatory"]),
            ({"codes": ["FP01", "FP02", "FP15", "EX12"]}, ["other_outcome"]),
            ({"codes": ["FP01", "FP02", "FP15", "DS01"]}, ["unknown_codes"]),
            ({"target_id": None}, ["target"]),
            ({"target_id": 999_999}, ["target_foreign"]),
            ({"kind": "channel", "wider_reason": " "}, ["wider"]),
            ({"kind": "channel", "codes": ["FP01", "FP02", "FP15", "EX11"]}, ["narrow"]),
            ({"nexus": []}, ["nexus"]),
            ({"route": ""}, ["route"]),
            ({"reason": "коротко"}, ["reason"]),
        ],
    )
    def test_confirming_needs_the_whole_card(self, desk, answers, keys) -> None:
        from review_ui.casework.decisions import problems

        case = desk.case()
        assert [p.key for p in problems(case, desk.aliya, desk.form(case, **answers), stage=1)] == keys

    @pytest.mark.parametrize(
        "change", [{"text": "не те слова"}, {"start": 1}, {"end": 10_000}, {"material": 999_999}, {"code": "FP08"}]
    )
    def test_a_quote_must_be_in_the_text(self, desk, change) -> None:
        from review_ui.casework.decisions import problems

        case = desk.case()
        quote = {**desk.form(case).quotes[0].model_dump(), **change}
        assert [p.key for p in problems(case, desk.aliya, desk.form(case, quotes=[quote]), 1)] == ["quote"]

    def test_a_second_reviewer_may_hold_against_an_exculpatory_code(self, desk) -> None:
        case = desk.case()
        desk.decide(case, desk.aliya)
        codes = ["FP01", "FP02", "FP15", "EX02"]
        assert keys_of(lambda: desk.decide(case, desk.bolat, codes=codes)) == ["override"]
        desk.decide(case, desk.bolat, codes=codes, override_reason="Предупреждение лишь обёртка призыва.")
        assert case.state == "approved"

    def test_protected_and_forbidden_targets(self, desk) -> None:
        from review_ui.casework.decisions import problems
        from review_ui.casework.models import ProtectedTarget

        case = desk.case()
        for address in ("t.me", "m.youtube.com", "203.0.113.9", "com.kz"):
            target = case.targets.create(kind="domain", address=address, url=f"https://{address}/", platform="web")
            form = desk.form(case, target_id=target.pk)
            assert [p.key for p in problems(case, desk.aliya, form, 1)] == ["target_forbidden"]
        ProtectedTarget.objects.create(address="primer-smi.example", reason="СМИ")
        target = case.targets.create(
            kind="subdomain", address="blog.primer-smi.example", url="https://blog.primer-smi.example/", platform="web"
        )
        form = desk.form(case, target_id=target.pk)
        assert [p.key for p in problems(case, desk.aliya, form, 1)] == ["target_protected"]
        form = desk.form(case, target_id=target.pk, protected_reason="Раздел захвачен мошенниками")
        assert problems(case, desk.aliya, form, 1) == []

    def test_rejecting_needs_a_reason_or_a_code(self, desk) -> None:
        case = desk.case()
        refused = keys_of(lambda: desk.decide(case, desk.aliya, outcome="reject", codes=[], reason=""))
        assert refused == ["reason_or_code"]


class TestWithdrawing:
    def test_within_ten_seconds_everything_is_as_before(self, desk) -> None:
        from review_ui.casework.decisions import second_opinions, stage_for, withdraw

        case = desk.case()
        withdraw(desk.decide(case, desk.aliya), desk.aliya)
        case.refresh_from_db()
        assert (case.state, case.holder, stage_for(case, desk.aliya)) == ("queued", desk.aliya, 1)
        desk.decide(case, desk.aliya)
        second = desk.decide(case, desk.bolat)
        withdraw(second, desk.bolat)
        case.refresh_from_db()
        assert (case.state, [r.state for r in case.requests.all()]) == ("second_review", ["withdrawn"])
        # He has seen the first opinion meanwhile: his own would not be blind any more.
        assert (case.holder, stage_for(case, desk.bolat)) == (None, None)
        assert keys_of(lambda: desk.decide(case, desk.bolat)) == ["own_decision"]
        assert list(second_opinions(desk.bolat)) == []
        assert list(second_opinions(desk.dana)) == [case]
        desk.decide(case, desk.dana)
        assert [r.number for r in case.requests.filter(state="approved")] == [f"{case.pk}-2"]

    def test_not_by_another_nor_twice_nor_late_nor_once_acted_on(self, desk, monkeypatch) -> None:
        from review_ui.casework import claims, decisions

        case = desk.case()
        first = desk.decide(case, desk.aliya)
        assert keys_of(lambda: decisions.withdraw(first, desk.bolat)) == ["not_yours"]
        claims.claim(case, desk.bolat)
        assert keys_of(lambda: decisions.withdraw(first, desk.aliya)) == ["acted_on"]
        claims.release(case, desk.bolat)
        desk.decide(case, desk.bolat)
        assert keys_of(lambda: decisions.withdraw(first, desk.aliya)) == ["acted_on"]
        monkeypatch.setattr(decisions, "WITHDRAW_WITHIN", timedelta(0))
        assert keys_of(lambda: decisions.withdraw(first, desk.aliya)) == ["late"]

    def test_a_return_can_be_withdrawn_too(self, desk) -> None:
        from review_ui.casework.decisions import withdraw

        case = desk.case()
        decision = desk.decide(case, desk.aliya, outcome="return")
        withdraw(decision, desk.aliya)
        case.refresh_from_db()
        assert (case.state, case.round) == ("queued", 1)
        assert keys_of(lambda: withdraw(decision, desk.aliya)) == ["withdrawn"]


class TestClaims:
    def test_a_claim_keeps_others_out_until_it_expires(self, desk) -> None:
        from qalqan import clock
        from review_ui.casework.claims import claim, held_by_other, release
        from review_ui.casework.models import Case

        case = claim(desk.case(), desk.aliya)
        assert (held_by_other(case, desk.bolat), held_by_other(case, desk.aliya)) == (True, False)
        assert keys_of(lambda: claim(case, desk.bolat)) == ["held"]
        assert keys_of(lambda: desk.decide(case, desk.bolat)) == ["held"]
        Case.objects.update(held_until=clock.now() - timedelta(seconds=1))
        assert claim(case, desk.bolat).holder == desk.bolat
        release(case, desk.bolat)
        assert Case.objects.get().holder is None

    def test_of_many_at_once_one_gets_it(self, desk) -> None:
        from casework_makers import at_once

        from review_ui.casework.claims import claim

        case = desk.case()
        people = (desk.aliya, desk.bolat, desk.dana)
        assert at_once(*(lambda user=user: claim(case, user) for user in people)) == ["done", "held", "held"]

    def test_of_two_second_opinions_at_once_one_counts(self, desk) -> None:
        from casework_makers import at_once

        from review_ui.casework.decisions import decide
        from review_ui.casework.models import Case

        case = desk.case()
        desk.decide(case, desk.aliya)
        form = desk.form(case)
        results = at_once(
            lambda: decide(Case.objects.get(pk=case.pk), desk.bolat, form),
            lambda: decide(Case.objects.get(pk=case.pk), desk.dana, form),
            lambda: decide(Case.objects.get(pk=case.pk), desk.aliya, form),
        )
        assert results.count("done") == 1
        assert case.requests.count() == 1

    def test_two_intakes_at_once_open_one_case(self, desk) -> None:
        from casework_makers import at_once

        from review_ui.casework.intake import take_in
        from review_ui.casework.models import Case

        desk.post()
        assert at_once(lambda: take_in(desk.store), lambda: take_in(desk.store)) == ["done", "done"]
        assert [case.materials.count() for case in Case.objects.all()] == [1]


class TestDatabaseRules:
    """What the code refuses, the database refuses as well."""

    def test_decisions_and_audit_entries_stay(self, desk) -> None:
        from django.db import DatabaseError, transaction

        from review_ui.audit.models import AuditEntry
        from review_ui.casework.models import Decision

        desk.decide(desk.case(), desk.aliya)
        for change in (
            lambda: Decision.objects.update(reason="иначе, чем было"),
            lambda: Decision.objects.all()._raw_delete("default"),
            lambda: AuditEntry.objects.update(act="nothing"),
            lambda: AuditEntry.objects.all()._raw_delete("default"),
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                change()

    def test_no_request_of_one_person(self, desk) -> None:
        from django.db import DatabaseError, transaction

        from review_ui.casework.models import Decision, Request

        case = desk.case()
        first = desk.decide(case, desk.aliya)
        answers = {"outcome": "confirm", "target": first.target, "label": first.label, "reason": "прямо в базу"}
        with pytest.raises(DatabaseError), transaction.atomic():
            Decision.objects.create(case=case, user=desk.aliya, stage=2, **answers)
        second = Decision.objects.create(case=case, user=desk.aliya, stage=2, round=9, **answers)
        with pytest.raises(DatabaseError), transaction.atomic():
            Request.objects.create(number="x", case=case, target=first.target, first=first, second=second, route="R4")

    def test_one_open_case_per_channel(self, desk) -> None:
        from django.db import IntegrityError, transaction

        from review_ui.casework.models import Case

        case = desk.case()
        with pytest.raises(IntegrityError), transaction.atomic():
            Case.objects.create(title="x", cluster_key=case.cluster_key, label=case.label, site="telegram")
