"""DeBERTa-v2 and v3: every term of disentangled attention, buckets, shared keys, convolution, embeddings of another size."""

import json
from pathlib import Path

import torch
from transformers import (
    DebertaV2Config,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
)

from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

from families import Case, Head

TARGETS = r".*encoder\.layer\.\d+\..*(query_proj|key_proj|value_proj|dense)"
V3 = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "type_vocab_size": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "relative_attention": True,
    "max_relative_positions": -1,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "pooler_dropout": 0,
    "pooler_hidden_act": "gelu",
}


def buckets(target: Path) -> None:
    """Rows of the relative embeddings for every distance, at the sizes of the published models."""
    found = {}
    for buckets, longest in ((256, 512), (32, 128), (256, 1024)):
        distances = torch.arange(-longest + 1, longest)
        rows = make_log_bucket_position(distances, buckets, longest).long() + buckets
        found[f"{buckets}/{longest}"] = rows.clamp(0, 2 * buckets - 1).tolist()
    (target / "deberta-rows.json").write_text(json.dumps(found) + "\n")


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", DebertaV2ForSequenceClassification),
        Head("SEQ_CLS", "regression", DebertaV2ForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", DebertaV2ForTokenClassification),
        Head("QUESTION_ANS", "span", DebertaV2ForQuestionAnswering, 2),
    ]

    def case(name, heads=heads[:1], pairs=False, **changed):
        config = DebertaV2Config(**{**V3, **changed})
        return Case(name, config, heads, TARGETS, longest=20, saved_from=DebertaV2Model, pairs=pairs)

    return [
        case("deberta-v3", heads),
        case("deberta-v2-conv", heads, conv_kernel_size=3, conv_act="gelu"),
        case("deberta-own-projections", share_att_key=False, pos_att_type=["c2p", "p2c"], norm_rel_ebd="none"),
        case("deberta-c2p", share_att_key=False, pos_att_type=["c2p"], position_buckets=-1, max_relative_positions=6),
        case("deberta-p2c", pos_att_type=["p2c"], position_buckets=4),
        case("deberta-types", pairs=True, type_vocab_size=2, position_biased_input=True, embedding_size=12),
        case("deberta-absolute", relative_attention=False, pos_att_type=None, position_biased_input=True),
    ]
