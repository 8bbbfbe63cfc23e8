"""What `qalqan evaluate` prints: per label and language, per group, look-alikes, the worst errors."""

from collections.abc import Iterable, Iterator, Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classifiers.text.evaluate import EvaluationReport, Figures, LabelReport
from classifiers.text.mistakes import LookAlikes, OverThresholds, WorstError
from qalqan.records import LABELS, Label


def evaluation_tables(report: EvaluationReport, baselines: Mapping[str, EvaluationReport]) -> Iterator[RenderableType]:
    reports = {"model": report, **baselines}
    yield Text(f"{report.texts} texts, model {report.model}")
    for label in LABELS:
        yield _label_table(label, {name: one.labels[label] for name, one in reports.items()})
    for label in LABELS:
        yield from _group_table(label, {name: one.labels[label] for name, one in reports.items()})
    yield from _look_alike_table(reports)
    yield _worst_table(report.worst_errors)


def _table(title: str, caption: str | None = None) -> Table:
    return Table(
        title=title,
        caption=caption,
        box=None,
        header_style="bold",
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        pad_edge=False,
    )


def _add_numbers(table: Table, headers: Iterable[str]) -> None:
    for header in headers:
        table.add_column(header, justify="right", vertical="top")


def _label_table(label: Label, reports: Mapping[str, LabelReport]) -> Table:
    own = reports["model"]
    sure = "" if own.sure_threshold is None else f", sure {own.sure_threshold:.2f}"
    table = _table(f"\n{label}: queue {own.threshold:.2f}{sure}")
    table.add_column("language")
    table.add_column("by", no_wrap=True)
    _add_numbers(table, ("texts", "posi-\ntive", "flag-\nged", "avg.\nprec.", "90 %\ninterval", "recall at\nprec. .95"))
    _add_numbers(table, ("preci-\nsion", "recall", "F1", "calibr.\nerror"))
    for lang in ("", *own.by_language):
        for name, report in reports.items():
            figures = report.by_language[lang] if lang else report.overall
            first = name == "model"
            table.add_row(
                _plain(lang or "all") if first else "",
                name,
                str(figures.texts) if first else "",
                str(figures.positive) if first else "",
                *_figures(figures),
            )
    return table


def _figures(figures: Figures) -> list[str]:
    interval = figures.average_precision_interval
    return [
        str(figures.flagged),
        _number(figures.average_precision),
        "–" if interval is None else f"{interval.low:.2f}–{interval.high:.2f}",
        _number(figures.recall_at_precision_95),
        _number(figures.precision),
        _number(figures.recall),
        _number(figures.f1),
        _number(figures.calibration_error),
    ]


def _group_table(label: Label, reports: Mapping[str, LabelReport]) -> Iterator[Table]:
    """Groups without positive texts stand among the look-alikes."""
    table = _table(
        f"\n{label}, groups with positive texts",
        "avg. prec. and recall at prec. .95: the group's positive texts among all without the label in that language",
    )
    table.add_column("language")
    table.add_column("group", overflow="fold")
    _add_numbers(table, ("texts", "posi-\ntive", "flag-\nged", "recall", "avg.\nprec.", "recall at\nprec. .95"))
    _add_numbers(table, (f"avg. prec.\n{name}" for name in list(reports)[1:]))
    for lang, groups in reports["model"].by_language_and_group.items():
        for group, figures in groups.items():
            if not figures.positive:
                continue
            of_baselines = [one.by_language_and_group[lang][group] for one in list(reports.values())[1:]]
            table.add_row(
                _plain(lang),
                _plain(group),
                str(figures.texts),
                str(figures.positive),
                str(figures.flagged),
                _number(figures.recall),
                _number(figures.average_precision_among_negatives),
                _number(figures.recall_at_precision_95_among_negatives),
                *(_number(one.average_precision_among_negatives) for one in of_baselines),
            )
    if table.row_count:
        yield table


def _look_alike_table(reports: Mapping[str, EvaluationReport]) -> Iterator[Table]:
    own = reports["model"].look_alikes
    if own.overall is None:
        return
    sure = own.overall.over.sure is not None
    table = _table(
        "\nharmless texts over the thresholds",
        "per label: texts over the queue threshold" + (" / over the sure threshold" if sure else ""),
    )
    table.add_column("harmless", overflow="fold")
    _add_numbers(table, ("texts", "over\nqueue", *(f"over queue\n{name}" for name in list(reports)[1:])))
    _add_numbers(table, (*(["over\nsure"] if sure else []), *(label.replace("_", "\n") for label in LABELS)))

    def add(name: str, one: LookAlikes, others: Iterable[LookAlikes]) -> None:
        table.add_row(
            _plain(name),
            str(one.texts),
            *(f"{each.share_over_queue:.1%}" for each in (one, *others)),
            *([_share(one.share_over_sure)] if sure else []),
            *(_over(one.by_label[label]) for label in LABELS),
        )

    rest = [one.look_alikes for one in list(reports.values())[1:]]
    add("all", own.overall, [one.overall for one in rest if one.overall is not None])
    for lang, one in own.by_language.items():
        add(f"language {lang}", one, [other.by_language[lang] for other in rest])
    for group, one in sorted(own.by_group.items(), key=lambda pair: (-pair[1].over.queue, pair[0])):
        add(group, one, [other.by_group[group] for other in rest])
    yield table


def _worst_table(errors: list[WorstError]) -> RenderableType:
    if not errors:
        return Text("\nno text on the wrong side of a queue threshold")
    table = _table(f"\nthe {len(errors)} worst errors, farthest over or under the queue threshold first")
    table.leading = 1
    table.add_column("text", overflow="fold", max_width=28)
    table.add_column("error", no_wrap=True)
    table.add_column("beginning", overflow="fold", ratio=1)
    for error in errors:
        kind = "missed" if error.truth else "false alarm"
        table.add_row(
            _plain("\n".join((error.id, error.group, error.lang))),
            f"{kind} {error.score:.2f}\n{error.label}",
            _plain(error.text or ""),
        )
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _over(over: OverThresholds) -> str:
    if not over.queue and not over.sure:
        return "·"
    return str(over.queue) if over.sure is None else f"{over.queue} / {over.sure}"


def _plain(text: str) -> Text:
    """Names and texts of a file are not ours: no markup in them counts, nor what steers a terminal."""
    return Text("".join(sign for sign in text if sign.isprintable() or sign == "\n"))
