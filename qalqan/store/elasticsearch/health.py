"""What `qalqan doctor` asks an Elasticsearch, and how the answers read."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.connection import check_server, connect, translated
from qalqan.store.elasticsearch.dead_letters import FILE, DeadLetters
from qalqan.store.elasticsearch.layout import KINDS, SCHEMA, Layout
from qalqan.store.elasticsearch.reindex import lock_owner
from qalqan.store.elasticsearch.retention import has_ilm
from qalqan.store.elasticsearch.spool import Spool

_INSTALL = "`qalqan reindex --install` with the admin's key"
_WATERMARK = "cluster.routing.allocation.disk.watermark"
_UNITS = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
_SHOWN = 3  # of a list that may be long


@dataclass(frozen=True, slots=True)
class Sign:
    """is_well: None: neither well nor ill, but to be known. detail: what was seen; where ill, also what to do."""

    what: str
    is_well: bool | None
    detail: str


def examine(url: str, options: StoreSettings) -> Iterator[Sign]:
    """From the server's version to what waits on this machine. Changes nothing. Raises ConfigurationError."""
    client, place = connect(url, options)
    layout = Layout(client, place.prefix, shards=options.shards, replicas=options.replicas)
    try:
        try:
            check_server(client, place)
        except StoreError as error:
            yield Sign("store", False, str(error))
        else:
            for what, check in _CHECKS:
                yield from _answers(place.name, what, partial(check, layout, options))
    finally:
        client.close()
    yield from waiting(options.spool)


def waiting(spool: Path | None) -> Iterator[Sign]:
    """What this machine could not write yet, or never will."""
    if spool is None or not spool.is_dir():
        return
    count = len(Spool(spool))
    detail = f"{count} documents wait in {spool}"
    if count:
        detail += ": they are written with the next ones, once the server takes them"
    yield Sign("spool", not count, detail if count else f"nothing waits in {spool}")
    path = spool / FILE
    if letters := len(DeadLetters(path)):
        yield Sign(
            "refused documents",
            False,
            f"{letters} in {path}, each with the server's reason: correct the cause, visit their sources again, and "
            "take the file away",
        )


def _answers(name: str, what: str, check: Callable[[], Iterable[Sign]]) -> list[Sign]:
    try:
        with translated(name):
            return list(check())
    except StoreError as error:
        if isinstance(error.__cause__, ApiError) and error.__cause__.meta.status == 403:
            return [Sign(what, None, "not looked at: only the admin's key may ask this")]
        return [Sign(what, False, str(error))]


def _version(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    info = layout.client.info()
    yield Sign("store", True, f"Elasticsearch {info['version']['number']}, cluster {info['cluster_name']}")


def _templates(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    prefix, client = layout.prefix, layout.client
    parts = [f"{prefix}-{name}" for name in ("settings", *KINDS)]
    components = {
        one["name"]: one["component_template"].get("_meta", {}).get("qalqan_schema")
        for one in _found(lambda: client.cluster.get_component_template(name=f"{prefix}-*"), "component_templates")
    }
    templates = {
        one["name"] for one in _found(lambda: client.indices.get_index_template(name=f"{prefix}-*"), "index_templates")
    }
    missing = [name for name in parts if name not in components]
    missing += [f"{prefix}-{kind}" for kind in KINDS if f"{prefix}-{kind}" not in {*templates, *missing}]
    if missing:
        yield Sign("templates", False, f"{_some(missing)} missing: {_INSTALL}")
    elif other := {components[name] for name in parts} - {SCHEMA}:
        yield Sign("templates", False, f"of schema {other.pop()}, this program knows {SCHEMA}: {_INSTALL}")
    else:
        yield Sign("templates", True, f"schema {SCHEMA}")


def _found(question: Callable[[], Any], key: str) -> list[Mapping[str, Any]]:
    try:
        return list(question()[key])
    except NotFoundError:
        return []


def _aliases(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    indices = layout.all_indices()
    in_use = [one for one in indices if one.is_in_use]
    faults = [f"{layout.prefix}-{kind} is missing" for kind in KINDS if not any(one.kind == kind for one in in_use)]
    owners: dict[str, list[str]] = {}
    for one in indices:
        own = layout.alias_of_month(one.month) if one.month else f"{layout.prefix}-{one.kind}"
        if own in one.aliases:
            owners.setdefault(own, []).append(one.name)
            if not one.is_in_use:
                faults.append(f"{one.name} is written to but not searched: it lacks {layout.documents}")
        elif one.is_in_use:
            faults.append(f"{one.name} is searched but not written to: it lacks {own}")
    faults += [f"{alias} leads to {_some(names)}" for alias, names in owners.items() if len(names) > 1]
    months = sum(one.kind == "documents" for one in in_use)
    if faults:
        yield Sign("aliases", False, f"{_some(faults)}: {_INSTALL}, or POST _aliases")
    else:
        yield Sign("aliases", True, f"{months} indices of documents, each behind its own alias")
    schemas = {index: schema for index, schema in layout.schemas().items() if schema != SCHEMA}
    if schemas:
        index, schema = next(iter(schemas.items()))
        detail = f"{len(schemas)} indices, the first {index}, are of schema {schema}, this program knows {SCHEMA}"
        yield Sign("schema", False, f"{detail}: run `qalqan reindex` with the newer of the two programs")


def _reindexing(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    indices = layout.all_indices()
    if owner := lock_owner(layout):
        remedy = "if it is not running any more: `qalqan reindex --abandon`"
        yield Sign("reindexing", False if owner.is_dead_here else None, f"{owner}; {remedy}")
    elif unfinished := [one.name for one in indices if one.is_being_filled]:
        yield Sign("reindexing", False, f"was cut off and left {_some(unfinished)}: `qalqan reindex --abandon`")
    if old := [one.name for one in indices if not one.aliases]:
        yield Sign("old indices", None, f"{_some(old)} were replaced and can go: `qalqan reindex --drop-old`")


def _blocks(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    settings = layout.client.indices.get_settings(
        index=_in_use(layout), name="index.blocks.*", flat_settings=True, ignore_unavailable=True
    )
    closed: dict[str, list[str]] = {}
    for index, values in settings.body.items():
        for name, value in values.get("settings", {}).items():
            if value == "true":
                closed.setdefault(name, []).append(index)
    for name, indices in closed.items():
        remedy = (
            "free some disk on the server; the block then goes by itself"
            if name == "index.blocks.read_only_allow_delete"
            else f'unless `qalqan reindex` runs now: PUT <index>/_settings {{"{name}": null}}'
        )
        yield Sign("blocks", False, f"{name} closes {_some(indices)}: {remedy}")
    if not closed:
        yield Sign("blocks", True, "every index may be written to")


def _shards(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    # By patterns: for an alias that is missing, the server would wait.
    health = layout.client.cluster.health(index=_patterns(layout))
    nodes = int(health["number_of_data_nodes"])
    settings = layout.client.indices.get_settings(
        index=_in_use(layout), name="index.number_of_replicas", flat_settings=True, ignore_unavailable=True
    )
    replicas = [int(values["settings"]["index.number_of_replicas"]) for values in settings.body.values()]
    if max(replicas, default=0) > nodes - 1:
        yield Sign(
            "replicas",
            False,
            f"{max(replicas)} copies of each shard need {max(replicas) + 1} nodes for data, there are {nodes}: "
            f"add nodes, or set store.replicas = {nodes - 1}, then {_INSTALL}",
        )
    unassigned = int(health["unassigned_shards"])
    if unassigned:
        reason = _answers("", "shards", lambda: [Sign("", None, _reason_of_unassigned(layout))])[0].detail
        yield Sign("shards", False, f"{health['status']}: {unassigned} unassigned: {reason}")
    else:
        yield Sign("shards", True, f"{health['status']}: {health['active_shards']} on {nodes} nodes")


def _reason_of_unassigned(layout: Layout) -> str:
    """Of the first one, a primary if there is one."""
    rows: Any = layout.client.cat.shards(index=_patterns(layout), format="json", h="index,shard,prirep,state")
    lost = sorted(
        ((row["prirep"], row["index"], int(row["shard"])) for row in rows if row["state"] == "UNASSIGNED"),
    )
    if not lost:
        return "assigned meanwhile"
    kind, index, shard = lost[0]
    told: Mapping[str, Any] = layout.client.cluster.allocation_explain(
        index=index, shard=shard, primary=kind == "p"
    ).body
    why = str(told.get("allocate_explanation") or told.get("unassigned_info", {}).get("reason", ""))
    refusals = {
        str(decider["explanation"]).partition(" [[")[0]  # without the shard in all its parts
        for node in told.get("node_allocation_decisions", [])
        for decider in node.get("deciders", [])
        if decider["decision"] == "NO"
    }
    name = f"{'primary' if kind == 'p' else 'replica'} {shard} of {index}"
    return f"{name}: {_some(sorted(refusals)) or why}"


def _disks(layout: Layout, _: StoreSettings) -> Iterator[Sign]:
    told = layout.client.cluster.get_settings(include_defaults=True, flat_settings=True)
    settings = {**told["defaults"], **told["persistent"], **told["transient"]}
    is_watched = settings.get("cluster.routing.allocation.disk.threshold_enabled") != "false"
    if not is_watched:
        yield Sign("server disk", None, "not watched: cluster.routing.allocation.disk.threshold_enabled is false")
    stats = layout.client.nodes.stats(metric="fs")
    for node in stats["nodes"].values():
        if not any(role.split("_")[0] == "data" for role in node["roles"]):
            continue
        total, free = int(node["fs"]["total"]["total_in_bytes"]), int(node["fs"]["total"]["available_in_bytes"])
        detail = f"{node['name']}: {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
        crossed = [level for level in _LEVELS if is_watched and free < _least_free(settings, level, total)]
        if crossed:
            level = crossed[0]
            detail += f", over {_WATERMARK}.{level} ({settings[f'{_WATERMARK}.{level}']}), {_LEVELS[level]}"
            detail += ": free some space, or add a node"
        yield Sign("server disk", not crossed, detail)


# Worst first.
_LEVELS = {
    "flood_stage": "so that its indices are closed for writing",
    "high": "so that shards are moved away from it",
    "low": "so that no new month can be begun there",
}


def _least_free(settings: Mapping[str, Any], level: str, total: int) -> float:
    """Bytes that must be free on a disk of `total` bytes."""
    value = str(settings[f"{_WATERMARK}.{level}"])
    share = re.fullmatch(r"([\d.]+)(%?)", value)
    if share is None:
        return _bytes(value)
    least = total * (1 - float(share[1]) / (100 if share[2] else 1))
    headroom = str(settings.get(f"{_WATERMARK}.{level}.max_headroom", "-1"))
    return least if headroom == "-1" else min(least, _bytes(headroom))


def _bytes(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)([kmgtp]?b)", text.lower())
    if found is None:
        raise StoreError(f"the server's setting {text!r:.40} is no size that this program knows")
    return float(found[1]) * _UNITS[found[2]]


def _extras(layout: Layout, options: StoreSettings) -> Iterator[Sign]:
    """What a server may lack."""
    ilm = has_ilm(layout.client)
    if ilm:
        kept = f"after {options.keep_months} months" if options.keep_months else "never (store.keep_months is not set)"
        yield Sign("ILM", None, f"there; drops documents {kept}")
    elif ilm is None:
        yield Sign("ILM", None, "not looked at: only the admin's key may ask this")
    else:
        detail = "this server has none: old months go by `qalqan purge --documents-before`, from a timer for example"
        yield Sign("ILM", None, detail)
    yield Sign("security", None, _security(layout.client))


def _security(client: Elasticsearch) -> str:
    try:
        return f"on, we are {client.security.authenticate()['username']}"
    except ApiError as error:
        if error.meta.status in (401, 403):
            return "on"
        return "off: whoever reaches the server's port may read and delete everything; let only this host reach it"


def _in_use(layout: Layout) -> list[str]:
    return [layout.documents, layout.captures, layout.channels]


def _patterns(layout: Layout) -> list[str]:
    return [f"{name}-v*" for name in _in_use(layout)]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    rest = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + rest


_CHECKS: tuple[tuple[str, Callable[[Layout, StoreSettings], Iterator[Sign]]], ...] = (
    ("store", _version),
    ("templates", _templates),
    ("aliases", _aliases),
    ("reindexing", _reindexing),
    ("blocks", _blocks),
    ("shards", _shards),
    ("server disk", _disks),
    ("extras", _extras),
)
