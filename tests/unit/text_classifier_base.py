"""A tiny randomly initialised base model, in the form of the real one."""

import json
import string
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from classifiers.text.e5_conversion import PAD, SPECIAL_TOKENS, build_tokenizer

LETTERS = string.ascii_letters + string.digits + string.punctuation + "абвгдежзийклмнопрстуфхцчшщъыьэюяёәғқңөұүһі"


def make_tiny_base(folder: Path) -> Path:
    words = ["▁табыс", "▁пайыз", "▁доход"]
    pieces = [(token, 0.0) for token in SPECIAL_TOKENS[:4]]
    pieces += [("▁", -3.0), *((letter, -5.0) for letter in LETTERS), *((word, -4.0) for word in words), ("<mask>", 0.0)]
    build_tokenizer(pieces).save(str(folder / "tokenizer.json"))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=512,
        pad_token_id=PAD,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    save_file({name: values.half() for name, values in encoder.state_dict().items()}, folder / "model.safetensors")
    return folder
