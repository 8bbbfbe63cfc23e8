"""`qalqan evaluate` over a tiny randomly initialised checkpoint: what it reads, prints and refuses."""

import json
from pathlib import Path

import pytest
import torch
from text_classifier_base import make_tiny_base
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from typer.testing import CliRunner

from qalqan.errors import ClassifierError, UsageError
from qalqan.records import LABELS
from qalqan_cli.main import app

# Threads gain nothing on a network this small and lose much beside other processes.
torch.set_num_threads(1)

LINES = [
    {"id": "a", "text": "табыс 30 пайыз, +7 701 000 00 00", "labels": ["financial_pyramid"], "lang": "kk"},
    {"id": "b", "text": "доход и погода, @primer_ulgi_00", "labels": [], "lang": "ru", "group": "news"},
    {"id": "c", "text": "закладка", "labels": ["drug_shop"], "lang": "ru"},
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = make_tiny_base(tmp_path_factory.mktemp("base"))
    folder = tmp_path_factory.mktemp("checkpoint")
    config = BertConfig.from_pretrained(base)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: index for index, label in enumerate(LABELS)}
    torch.manual_seed(3)
    BertForSequenceClassification(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"),
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def judged(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QALQAN_HOME", str(tmp_path))
    monkeypatch.setenv("QALQAN_CLASSIFIER__TEXT_MODEL", str(checkpoint))
    monkeypatch.setenv("QALQAN_CLASSIFIER__THREADS", "1")
    path = tmp_path / "judged.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES), encoding="utf-8")
    return path


def test_one_object_with_the_baselines(judged: Path, tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.csv"
    lexicon.write_text("label,term,variants,strength\ndrug_shop,закладка,,strong\n", encoding="utf-8")
    done = CliRunner().invoke(
        app, ["evaluate", "--input", str(judged), "--json", "--baselines", "--lexicon", str(lexicon), "--worst", "2"]
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["texts"] == 3
    assert report["model"].startswith("checkpoint")
    assert list(report["baselines"]) == ["TF-IDF", "keywords"]
    assert report["baselines"]["keywords"]["labels"]["drug_shop"]["overall"]["f1"] == 1.0
    assert len(report["worst_errors"]) == 2
    assert not any(contact in done.stdout for contact in ("701 000", "primer_ulgi"))


def test_tables_and_refused_lines(judged: Path) -> None:
    with judged.open("a", encoding="utf-8") as file:
        file.write('\n[1]\n\n{"id": "d", "text": "x"}\nnot json\n')
    done = CliRunner().invoke(app, ["evaluate", "--input", str(judged)])
    assert done.exit_code == 3
    refused = [line.removeprefix(f"{judged}:") for line in done.stderr.splitlines() if line.startswith(str(judged))]
    assert [line.split(": ")[:2] for line in refused[:2]] == [["4", "not a JSON object"], ["6", "no labels"]]
    assert refused[2].startswith("7: ")
    assert "3 texts, model checkpoint" in done.stdout
    assert "harmless texts over the thresholds" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "nowhere"], "no file nowhere"),
        (["--lexicon", "x.csv"], "add --baselines"),
        (["--train-data", "x.jsonl"], "add --baselines"),
        (["--baselines", "--lexicon", "nowhere.csv"], "no file nowhere.csv"),
        (["--baselines", "--train-data", "nowhere.jsonl"], "no file nowhere.jsonl"),
    ],
)
def test_wrong_use(judged: Path, arguments: list[str], message: str) -> None:
    given = arguments if "--input" in arguments else ["--input", str(judged), *arguments]
    done = CliRunner().invoke(app, ["evaluate", *given])
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert done.stdout == ""


def test_a_wrong_lexicon_is_told_before_anything_is_scored(judged: Path, tmp_path: Path) -> None:
    (tmp_path / "lexicon.csv").write_text("label,term\n", encoding="utf-8")
    given = ["--input", str(judged), "--baselines", "--lexicon", str(tmp_path / "lexicon.csv")]
    done = CliRunner().invoke(app, ["evaluate", *given])
    assert isinstance(done.exception, ClassifierError)
    assert "lacks the columns variants, strength" in str(done.exception)
