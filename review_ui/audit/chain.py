"""Writing to the audit chain, and checking it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import models, transaction

from qalqan import chain, clock
from qalqan.chain import ChainReport
from qalqan.clock import to_iso
from qalqan.errors import EvidenceError
from review_ui.accounts.models import User
from review_ui.audit.masking import mask_personal
from review_ui.audit.models import AuditEntry, AuditHead


def lock_head() -> AuditHead:
    """The end of the chain, locked until the transaction ends.

    An act that locks other rows as well takes this lock first: so no two acts wait for each other, and what is
    numbered without gaps is numbered by one at a time.
    """
    AuditHead.objects.get_or_create(pk=1, defaults={"hash": chain.GENESIS})
    return AuditHead.objects.select_for_update().get(pk=1)


@transaction.atomic
def record(
    act: str,
    *,
    actor: User | str,
    object: models.Model | None = None,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Adds one entry in the transaction of the act itself: both stay or neither.

    actor: a person, or "system:<process>". Personal numbers in `details` are masked; floats become text, because no
    two databases print them alike.
    """
    head = lock_head()
    entry = AuditEntry(
        sequence=head.sequence + 1,
        at=clock.now(),
        actor=actor if isinstance(actor, str) else actor.username,
        act=act,
        object_kind=object._meta.model_name or "" if object is not None else "",
        object_id=str(object.pk) if object is not None else "",
        details=_plain(dict(details or {})),
        previous_hash=head.hash,
    )
    entry.hash = chain.entry_hash(entry_line(entry))
    entry.save(force_insert=True)
    head.sequence, head.hash = entry.sequence, entry.hash
    head.save()
    return entry


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return to_iso(value)
    if not isinstance(value, str):
        return str(value)
    return mask_personal(value.replace("\0", "").encode("utf-8", "replace").decode())


def entry_line(entry: AuditEntry) -> dict[str, Any]:
    """The entry as the exported line that its hash covers."""
    return {
        "sequence": entry.sequence,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor": entry.actor,
        "act": entry.act,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "details": entry.details,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def lines() -> Iterator[dict[str, Any]]:
    """The whole chain, oldest first."""
    for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=2000):
        yield entry_line(entry)


def verify_chain() -> ChainReport:
    """Follows the chain from its beginning, and checks that nothing is cut off at its end."""
    report = chain.check_chain(lines())
    head = AuditHead.objects.filter(pk=1).first()
    if report.is_intact and head is not None and (head.sequence, head.hash) != (report.entries, report.last_hash):
        cut = report.entries + 1
        return ChainReport(report.entries, report.last_hash, broken_at=cut, problem=f"entries from {cut} on are gone")
    return report


def require_intact_chain() -> ChainReport:
    """Raises EvidenceError that names the first broken entry."""
    report = verify_chain()
    if not report.is_intact:
        raise EvidenceError(f"the audit chain is broken: {report.problem}; keep the database and call the auditor")
    return report


def entries_for(case: models.Model) -> models.QuerySet[AuditEntry]:
    """What was done with a case, oldest first: acts on it and on what belongs to it."""
    return AuditEntry.objects.filter(
        models.Q(object_kind="case", object_id=str(case.pk)) | models.Q(details__case=case.pk)
    ).order_by("sequence")
