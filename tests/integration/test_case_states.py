"""What became of the cases reaches the store, whatever happens on the way."""

import socket
import time

import pytest

pytestmark = pytest.mark.usefixtures("database")


def states_in(store) -> dict[str, int]:
    from qalqan.store import DocumentQuery

    return store.counts(DocumentQuery(), "case_state")


def push(store) -> int:
    from review_ui.casework.case_states import push_case_states

    return push_case_states(store)


def test_states_flow_into_the_store_and_change_there(desk) -> None:
    case = desk.case()
    desk.post(7, "Без отметки", channel="quiet", score=0.1)  # of no case
    assert push(desk.store) == 1
    assert states_in(desk.store) == {"queued": 1}
    desk.decide(case, desk.aliya)
    assert push(desk.store) == 1
    assert states_in(desk.store) == {"second_review": 1}
    decision = desk.decide(case, desk.bolat)
    push(desk.store)
    assert states_in(desk.store) == {"approved": 1}
    assert decision.withdrawn_at is None


def test_nothing_new_is_nothing_told(desk) -> None:
    desk.case()
    desk.case(number=7, channel="other_000")
    assert [push(desk.store) for _ in range(3)] == [2, 0, 0]


def test_a_new_post_in_an_old_case_is_told(desk) -> None:
    from review_ui.casework.intake import take_in

    desk.case()
    push(desk.store)
    desk.post(119, "Ещё одна запись: доход 30 % в месяц")
    take_in(desk.store)
    assert push(desk.store) == 1
    assert states_in(desk.store) == {"queued": 2}


def test_more_than_a_batch_of_them(desk, monkeypatch) -> None:
    from review_ui.casework import case_states
    from review_ui.casework.models import Material

    monkeypatch.setattr(case_states, "BATCH", 3)
    for number in range(8):
        desk.post(number, f"Запись {number}: доход 30 % в месяц", is_sealed=False)
    case = desk.case(number=8, is_sealed=False)
    assert push(desk.store) == Material.objects.filter(case=case).count() == 9
    assert states_in(desk.store) == {"queued": 9}


def test_of_two_cases_with_one_post_the_newer_counts(desk) -> None:
    from review_ui.casework.models import Case, CaseState

    old = desk.case()
    material = old.materials.get()
    Case.objects.filter(pk=old.pk).update(state=CaseState.REJECTED)
    new = Case.objects.create(title="Вновь", cluster_key="telegram:other", label=old.label, site=old.site)
    new.materials.create(document_id=material.document_id, document=material.document, score=0.9)
    assert push(desk.store) == 2
    assert states_in(desk.store) == {"queued": 1}
    Case.objects.filter(pk=old.pk).update(state=CaseState.HANDED_OVER)
    assert push(desk.store) == 1
    assert states_in(desk.store) == {"queued": 1}
    assert push(desk.store) == 0


def test_while_the_store_is_away_nothing_is_lost(desk) -> None:
    from qalqan.errors import StoreError
    from qalqan.store import open_store

    case = desk.case()
    away = open_store(f"sqlite:///{desk.home / 'closed.sqlite'}")
    away.close()
    with pytest.raises(StoreError):
        push(away)
    desk.decide(case, desk.aliya)  # nobody waits for the store
    assert push(desk.store) == 1
    assert states_in(desk.store) == {"second_review": 1}


def test_the_intake_job_tells_the_store(desk, tmp_path) -> None:
    from qalqan.config import StoreSettings, load_settings
    from qalqan_cli.processes import _intake

    desk.post()
    settings = load_settings(home=tmp_path, store=StoreSettings(url=f"sqlite:///{tmp_path / 'store.sqlite'}"))
    _intake(settings)
    assert states_in(desk.store) == {"queued": 1}


def test_the_intake_job_outlives_a_store_that_is_away(desk, tmp_path) -> None:
    from qalqan.config import StoreSettings, load_settings
    from qalqan_cli.processes import _intake

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    _intake(load_settings(home=tmp_path, store=StoreSettings(url=f"http://127.0.0.1:{port}/test")))
    assert time.monotonic() - began < 30
