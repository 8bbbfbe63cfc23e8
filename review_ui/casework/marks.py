"""What the texts of a case have in common with those of others."""

from qalqan.records import Document
from review_ui.casework.addresses import host_of, may_restrict_host
from review_ui.casework.models import Case, Mark

NEAR_DUPLICATE = "near_duplicate"

_KINDS = frozenset(
    {"telegram", "telegram_invite", "phone", "card", "iban", "wallet_btc", "wallet_eth", "wallet_trx", "email"}
)


def marks_of(document: Document) -> set[tuple[str, str]]:
    """(kind, value): handles, invites, money and contact addresses, domains, and the text that it repeats."""
    found = {(one.kind, one.value.lower()[:300]) for one in document.entities if one.kind in _KINDS}
    hosts = {
        one.value.lower() if one.kind == "domain" else host_of(one.value)
        for one in document.entities
        if one.kind in {"domain", "url"}
    }
    found |= {("domain", host[:300]) for host in hosts if may_restrict_host(host)}
    if document.channel and document.site == "telegram":
        found.add(("telegram", document.channel.lower()[:300]))
    found.add((NEAR_DUPLICATE, document.near_duplicate_of or document.id))
    return found


def add_marks(case: Case, document: Document) -> None:
    Mark.objects.bulk_create(
        [Mark(case=case, kind=kind, value=value) for kind, value in sorted(marks_of(document))], ignore_conflicts=True
    )
