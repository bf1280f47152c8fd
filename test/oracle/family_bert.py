"""BERT: every head and activation."""

from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from families import Case, Head

TARGETS = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"


def config(**changed) -> BertConfig:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
    return BertConfig(
        **{**sizes, "intermediate_size": 24, "max_position_embeddings": 20, "type_vocab_size": 2, "pad_token_id": 0}
        | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **changed}
    )


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", BertForSequenceClassification),
        Head("SEQ_CLS", "regression", BertForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", BertForTokenClassification),
        Head("QUESTION_ANS", "span", BertForQuestionAnswering, 2),
    ]
    common = {"targets": TARGETS, "longest": 20, "saved_from": BertModel, "pairs": True}
    return [
        Case("bert", config(), heads, **common),
        Case("bert-gelu-new", config(hidden_act="gelu_new"), heads[:1], **common),
        Case("bert-relu", config(hidden_act="relu", layer_norm_eps=1e-5), heads[:1], **common),
    ]
