"""T5 and its relatives: an encoder and a decoder that reads it, distances beyond those with buckets of their own, heads whose
width is not the model's share, halves of different depth."""

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
