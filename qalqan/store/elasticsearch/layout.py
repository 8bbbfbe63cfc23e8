"""Which indices there are, under which names, and how they come to be.

With the prefix `qalqan`:

    qalqan-documents            alias of all indices of documents: what is searched
    qalqan-documents-2026.04    alias of one index: where documents of that month are written
    qalqan-documents-v1-2026.04 the index itself; v1 is its generation, which `qalqan reindex` raises
    qalqan-captures             alias of qalqan-captures-v1
    qalqan-channels             alias of qalqan-channels-v1
    qalqan-…-next…              alias of an index that `qalqan reindex` fills, until it is in use

A document's month is that of its publication, so it follows from the document alone (`qalqan.store.keys.month_of`).
Generations may be mixed: a month that a writer begins while `qalqan reindex` switches is of the earlier one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from qalqan.errors import StoreError
from qalqan.store.keys import UNDATED

SCHEMA = 1
KINDS = ("documents", "captures", "channels")
# In the alias of an index that is not in use yet, instead of a month or before it.
NEXT = "next"
# From here on, a server leaves vectors out of what it shows of a document, unless an index says otherwise.
_HIDES_VECTORS = (9, 2)
_INDEX = re.compile(r"(documents|captures|channels)-v(\d+)(?:-(undated|\d{4}\.\d{2}))?\Z")


def month_of_index(index: str) -> str | None:
    """Of an index of documents: as `month_of` gives it; None of any other."""
    found = _INDEX.search(index)
    return found[3].replace(".", "-") if found and found[3] else None


def short_lists(indices: Sequence[str]) -> Iterator[list[str]]:
    """All of them, a few at a time: they stand in the URL of a request, which has its limit."""
    for start in range(0, len(indices), 20):
        yield list(indices[start : start + 20])


@dataclass(frozen=True, slots=True)
class Index:
    """One of ours. kind: of `KINDS`. month: of documents, as `month_of` gives it.

    is_in_use: searches ask it. is_being_filled: by a reindexing, or one that was cut off. Neither: it was replaced.
    """

    name: str
    kind: str
    generation: int
    month: str | None
    aliases: frozenset[str]
    is_in_use: bool
    is_being_filled: bool


class Layout:
    """The indices under one prefix; makes what is missing."""

    def __init__(self, client: Elasticsearch, prefix: str, *, shards: int, replicas: int) -> None:
        self.client, self.prefix = client, prefix
        self._values = {"prefix": prefix, "shards": str(shards), "replicas": str(replicas)}
        self._months: set[str] = set()

    @property
    def documents(self) -> str:
        return f"{self.prefix}-documents"

    @property
    def captures(self) -> str:
        return f"{self.prefix}-captures"

    @property
    def channels(self) -> str:
        return f"{self.prefix}-channels"

    def install(self) -> None:
        """Templates as this program knows them, and the indices that are always there. Does no harm when repeated."""
        self.put_templates()
        generation = self.generation()
        for kind in ("captures", "channels"):
            alias = f"{self.prefix}-{kind}"
            if not self.client.indices.exists_alias(name=alias):
                self._create(f"{alias}-v{generation}", own_alias=alias)
        self.open_month(UNDATED)

    def is_installed(self) -> bool:
        """Raises StoreError if the indices are of another schema than this program's."""
        if not self.is_there():
            return False
        mapping = self.client.indices.get_mapping(index=self.channels)
        for index, values in mapping.body.items():
            found = values["mappings"].get("_meta", {}).get("qalqan_schema")
            if found != SCHEMA:
                raise StoreError(
                    f"index {index} has schema {found}, this program knows {SCHEMA}: run `qalqan reindex` with the "
                    "newer of the two programs"
                )
        return True

    def generation(self) -> int:
        """Of the indices that are in use; 1 before there are any."""
        return max((one.generation for one in self.all_indices() if one.is_in_use), default=1)

    def all_indices(self) -> list["Index"]:
        """Also those that are not in use any more, or not yet; by their names."""
        found = self.client.indices.get_alias(
            index=[f"{self.prefix}-{kind}-v*" for kind in KINDS],
            expand_wildcards="all",
            ignore_unavailable=True,
            allow_no_indices=True,
        )
        indices: list[Index] = []
        for name, values in sorted(found.body.items()):
            parts = _INDEX.fullmatch(name.removeprefix(f"{self.prefix}-"))
            if parts:
                main, aliases = f"{self.prefix}-{parts[1]}", frozenset(values["aliases"])
                indices.append(
                    Index(
                        name,
                        kind=parts[1],
                        generation=int(parts[2]),
                        month=month_of_index(name),
                        aliases=aliases,
                        is_in_use=main in aliases,
                        is_being_filled=any(alias.startswith(f"{main}-{NEXT}") for alias in aliases),
                    )
                )
        return indices

    def is_there(self) -> bool:
        return bool(self.client.indices.exists_alias(name=self.channels))

    def schemas(self) -> dict[str, int | None]:
        """Of every index that is in use."""
        mappings = self.client.indices.get_mapping(
            index=[self.documents, self.captures, self.channels], ignore_unavailable=True, allow_no_indices=True
        )
        return {
            index: values["mappings"].get("_meta", {}).get("qalqan_schema") for index, values in mappings.body.items()
        }

    def alias_of_month(self, month: str) -> str:
        """month: as `month_of` gives it."""
        return f"{self.documents}-{month.replace('-', '.')}"

    def open_month(self, month: str) -> str:
        """The alias under which documents of the month are written; its index is made if it is not there yet."""
        alias = self.alias_of_month(month)
        if month not in self._months:
            if not self.client.indices.exists_alias(name=alias):
                index = f"{self.documents}-v{self.generation()}-{month.replace('-', '.')}"
                self._create(index, self.documents, own_alias=alias)
            self._months.add(month)
        return alias

    def forget_months(self) -> None:
        """After somebody removed indices: look again before the next writing."""
        self._months.clear()

    def indices(self) -> list[str]:
        """Those behind the alias of the documents, oldest month first."""
        found = self.client.indices.get_alias(name=self.documents, ignore_unavailable=True, allow_no_indices=True)
        return sorted(found.body)

    def _create(self, index: str, *aliases: str, own_alias: str) -> None:
        """own_alias: which no other index may have, so that of two processes one fails, whatever their generations."""
        own: dict[str, dict[str, Any]] = {own_alias: {"is_write_index": True}}
        try:
            self.client.indices.create(index=index, aliases=own | {alias: {} for alias in aliases})
        except ApiError:
            # Another process was quicker: its index will do.
            if not self.client.indices.exists_alias(name=own_alias):
                raise

    def put_templates(self) -> None:
        settings = self.read_template("settings")
        version = str(self.client.info()["version"]["number"]).split(".")
        if (int(version[0]), int(version[1])) >= _HIDES_VECTORS:
            settings["template"]["settings"]["index.mapping.exclude_source_vectors"] = False
        self.client.cluster.put_component_template(name=f"{self.prefix}-settings", **settings)
        for kind in KINDS:
            self.client.cluster.put_component_template(name=f"{self.prefix}-{kind}", **self.read_template(kind))
            self.put_index_template(kind)

    def put_index_template(self, kind: str, month: str = "", settings: Mapping[str, Any] | None = None) -> None:
        """Of one month alone, it goes before that of all. settings: beside those of every index."""
        self.client.indices.put_index_template(
            name="-".join(filter(None, (self.prefix, kind, month))),
            index_patterns=["-".join(filter(None, (self.prefix, kind, "v*", month)))],
            composed_of=[f"{self.prefix}-settings", f"{self.prefix}-{kind}"],
            template={"settings": dict(settings or {})},
            priority=201 if month else 200,
        )

    def read_template(self, name: str, **values: str) -> dict[str, Any]:
        """A file of `templates`; values: of its places `"{name}"`, beside prefix, shards and replicas."""
        content = files(__package__).joinpath("templates", f"{name}.json").read_text(encoding="utf-8")
        for key, value in (self._values | values).items():
            content = content.replace(f'"{{{key}}}"', json.dumps(value))
        template: dict[str, Any] = json.loads(content)
        template["meta"] = template.pop("_meta")
        return template
