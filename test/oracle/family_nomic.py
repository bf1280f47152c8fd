"""NomicBERT: rotary positions, a gated feed-forward part, heads of another size; files with queries, keys and values as one tensor."""

from transformers import (
    NomicBertConfig,
    NomicBertForMaskedLM,
    NomicBertForSequenceClassification,
    NomicBertForTokenClassification,
    NomicBertModel,
)

from families import Case, Head

TARGETS = r".*layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
SIZES = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 12,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", NomicBertForSequenceClassification),
        Head("TOKEN_CLS", "tokens", NomicBertForTokenClassification),
    ]
    usual = NomicBertConfig(**{**SIZES, "vocab_size": 60, "max_position_embeddings": 20})
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0}
    other = NomicBertConfig(**{**SIZES, "num_hidden_layers": 1}, head_dim=6, hidden_act="gelu", rope_parameters=rope)
    masked = [Head("MASKED_LM", "masked", NomicBertForMaskedLM)]
    common = {"targets": TARGETS, "beside": 3, "lengths": {"padding": [7, 5, 3]}}
    single = NomicBertConfig(**{**SIZES, "num_hidden_layers": 1})
    return [
        Case("nomic-bert", usual, heads, longest=20, saved_from=NomicBertForSequenceClassification, **common),
        Case("nomic-bert-linear", other, heads[1:], longest=12, saved_from=NomicBertModel, **common),
        Case("nomic-bert-masked", single, masked, longest=12, saved_from=NomicBertForMaskedLM, **common),
    ]
