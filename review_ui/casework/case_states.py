"""What became of the cases, told to the store of documents, so that a search can ask for it.

Decisions never wait for the store: the intake job tells it afterwards, and tells again what it could not.
"""

import structlog
from django.db.models import F

from qalqan.store.base import Store
from review_ui.casework.models import Material, ToldState

log = structlog.get_logger()

BATCH = 500


def push_case_states(store: Store) -> int:
    """Tells the store every state that changed since it was last told; returns of how many materials.

    Raises StoreError where the store is away: what it was told before stands, the rest comes the next time.
    """
    pushed = 0
    while batch := _untold():
        store.set_case_states(_states_of({document_id for _, document_id, _ in batch}))
        ToldState.objects.bulk_create(
            [ToldState(material_id=material, state=state) for material, _, state in batch],
            update_conflicts=True,
            unique_fields=["material"],
            update_fields=["state"],
        )
        pushed += len(batch)
    if pushed:
        log.info("case_states.pushed", materials=pushed)
    return pushed


def _untold() -> list[tuple[int, str, str]]:
    """Some materials of which the store does not know the state: their keys, documents and states."""
    # In the order of an index that holds all that is asked of a material: its text is not read.
    untold = Material.objects.exclude(told__state=F("case__state")).order_by("case_id", "document_id")
    return list(untold.values_list("pk", "document_id", "case__state")[:BATCH])


def _states_of(document_ids: set[str]) -> dict[str, str | None]:
    """Of the newest case that holds the document."""
    materials = Material.objects.filter(document_id__in=document_ids).order_by("case_id")
    return dict(materials.values_list("document_id", "case__state"))
