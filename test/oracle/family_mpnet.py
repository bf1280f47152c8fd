"""MPNet: a bias by distance, beyond where distances have buckets of their own."""

from transformers import (
    MPNetConfig,
    MPNetForQuestionAnswering,
    MPNetForSequenceClassification,
    MPNetForTokenClassification,
    MPNetModel,
)

from families import Case, Head

TARGETS = r".*encoder\.layer\.\d+\..*(attn\.[qkvo]|dense)"
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 152,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-5,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", MPNetForSequenceClassification),
        Head("TOKEN_CLS", "tokens", MPNetForTokenClassification),
        Head("QUESTION_ANS", "span", MPNetForQuestionAnswering, 2),
    ]
    return [Case("mpnet", MPNetConfig(**SIZES), heads, TARGETS, longest=150, saved_from=MPNetModel)]
