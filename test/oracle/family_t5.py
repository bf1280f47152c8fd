"""T5 and its relatives: an encoder and a decoder that reads it, distances beyond those with buckets of their own, heads whose
width is not the model's share, halves of different depth."""

from pathlib import Path

import torch
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)

from families import Case, Head
from fixture_files import VERSIONS, dump, seeded

TARGETS = r".*\.(q|k|v|o|wi|wi_0|wi_1|wo)"
SIZES = {
    "vocab_size": 14,
    "d_model": 6,
    "d_kv": 3,
    "d_ff": 4,
    "num_heads": 2,
    "num_layers": 1,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "dropout_rate": 0.0,
    "decoder_start_token_id": 0,
}
LENGTHS = {"padding": [15, 5]}
WRITTEN = [5, 14]


class Untied(MT5ForConditionalGeneration):
    """As real checkpoints of mT5, T5 1.1 and FLAN-T5: the output is a table of its own, whatever config.json says."""

    def __init__(self, config):
        super().__init__(config)
        self.lm_head.weight = torch.nn.Parameter(self.lm_head.weight.detach().clone())


Untied.__name__ = "MT5ForConditionalGeneration"


def cases() -> list[Case]:
    def case(name, config, model_class):
        head = Head("SEQ_2_SEQ_LM", "seq2seq", model_class)
        return Case(name, config, [head], TARGETS, 0, model_class, lengths=LENGTHS, stated=1_000_000, written=WRITTEN)

    multilingual = {**SIZES, "feed_forward_proj": "gated-gelu", "decoder_start_token_id": 3}
    umt5 = {**SIZES, "num_layers": 2, "num_decoder_layers": 1, "feed_forward_proj": "gated-silu"}
    return [
        case("t5", T5Config(**SIZES), T5ForConditionalGeneration),
        case("mt5", MT5Config(**multilingual), Untied),
        # Saved as scale_decoder_outputs: false.
        case("umt5", UMT5Config(**umt5, tie_word_embeddings=False), UMT5ForConditionalGeneration),
    ]


MODELS = {"t5": T5ForConditionalGeneration, "mt5": MT5ForConditionalGeneration, "umt5": UMT5ForConditionalGeneration}
MAX_NEW_TOKENS = 16
"""Weights times these powers of two: small ones write one token over and over."""
FACTORS = [4, 8]


def written(folder: Path) -> None:
    """What transformers writes greedily for texts of several lengths, each by itself, from the checkpoints of the cases."""
    made = []
    for name, model_class in MODELS.items():
        for factor in FACTORS:
            model = model_class.from_pretrained(folder / "families" / name, dtype=torch.float64).eval()
            for parameter in model.parameters():
                parameter.data.mul_(factor)
            generator = seeded(20250400 + factor)
            texts = []
            for length in [1, 5, 13, 21, 8, 3, 2, 17, 4, 9]:
                source = torch.randint(2, model.config.vocab_size, [1, length], generator=generator)
                given = {"input_ids": source, "attention_mask": torch.ones_like(source), "do_sample": False}
                plain, penalised = (
                    model.generate(**given, max_new_tokens=MAX_NEW_TOKENS, repetition_penalty=penalty)[0, 1:].tolist()
                    for penalty in (1.0, 1.5)
                )
                texts.append({"source": source[0].tolist(), "written": plain, "penalised": penalised})
            made.append({"model": name, "factor": factor, "texts": texts})
    path = folder / "written" / "t5.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump({"versions": VERSIONS, "maxNewTokens": MAX_NEW_TOKENS, "cases": made}) + "\n")
