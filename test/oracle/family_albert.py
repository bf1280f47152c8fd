"""ALBERT: layers that share weights, in one group and in several, with layers within a group; embeddings of another width."""

from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)

from families import Case, Head

TARGETS = r".*albert_layers\.\d+\.(attention\.(query|key|value|dense)|ffn|ffn_output)"
SIZES = {
    "vocab_size": 30,
    "embedding_size": 4,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 12,
    "classifier_dropout_prob": 0.0,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", AlbertForSequenceClassification),
        Head("SEQ_CLS", "regression", AlbertForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", AlbertForTokenClassification),
        Head("QUESTION_ANS", "span", AlbertForQuestionAnswering, 2),
    ]
    common = {"targets": TARGETS, "beside": 3, "lengths": {"padding": [7, 5, 3]}}
    groups = AlbertConfig(**{**SIZES, "vocab_size": 60, "max_position_embeddings": 20, "num_hidden_groups": 2})
    inner = AlbertConfig(**SIZES, inner_group_num=2, hidden_act="relu")
    masked = [Head("MASKED_LM", "masked", AlbertForMaskedLM)]
    return [
        Case("albert", groups, heads, longest=20, saved_from=AlbertModel, **common),
        Case("albert-inner-layers", inner, heads[:1], longest=12, saved_from=AlbertForSequenceClassification, **common),
        Case("albert-masked", AlbertConfig(**SIZES), masked, longest=12, saved_from=AlbertForMaskedLM, **common),
    ]
