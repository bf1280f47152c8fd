"""DistilBERT: no token types, a head of two layers."""

from transformers import (
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
)

from families import Case, Head

TARGETS = r".*layer\.\d+\..*(q_lin|k_lin|v_lin|out_lin|lin1|lin2)"
SIZES = {
    "vocab_size": 60,
    "dim": 16,
    "hidden_dim": 24,
    "n_layers": 2,
    "n_heads": 4,
    "max_position_embeddings": 20,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "qa_dropout": 0.0,
    "seq_classif_dropout": 0.0,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", DistilBertForSequenceClassification),
        Head("SEQ_CLS", "regression", DistilBertForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", DistilBertForTokenClassification),
        Head("QUESTION_ANS", "span", DistilBertForQuestionAnswering, 2),
    ]
    common = {"targets": TARGETS, "longest": 20, "saved_from": DistilBertModel}
    return [
        Case("distilbert", DistilBertConfig(**SIZES), heads, **common),
        Case("distilbert-relu", DistilBertConfig(**SIZES, activation="relu"), heads[:1], **common),
    ]
