"""ELECTRA: embeddings of another width, and of the same."""

from transformers import (
    ElectraConfig,
    ElectraForQuestionAnswering,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    ElectraModel,
)

from families import Case, Head

TARGETS = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"
SIZES = {
    "vocab_size": 60,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", ElectraForSequenceClassification),
        Head("TOKEN_CLS", "tokens", ElectraForTokenClassification),
        Head("QUESTION_ANS", "span", ElectraForQuestionAnswering, 2),
    ]
    same = ElectraConfig(**{**SIZES, "embedding_size": 16, "hidden_act": "relu"})
    return [
        Case("electra", ElectraConfig(**SIZES), heads, TARGETS, longest=20, saved_from=ElectraModel, pairs=True),
        Case("electra-same-width", same, heads[:1], TARGETS, longest=20, saved_from=ElectraModel),
    ]
