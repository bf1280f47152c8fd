"""RoBERTa and XLM-R: positions start behind the padding's id."""

from transformers import (
    RobertaConfig,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

from families import Case, Head

TARGETS = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 22,
    "type_vocab_size": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-5,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", RobertaForSequenceClassification),
        Head("SEQ_CLS", "regression", RobertaForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", RobertaForTokenClassification),
        Head("QUESTION_ANS", "span", RobertaForQuestionAnswering, 2),
    ]
    xlm_heads = [Head("SEQ_CLS", "classification", XLMRobertaForSequenceClassification)]
    return [
        Case("roberta", RobertaConfig(**SIZES), heads, TARGETS, longest=20, saved_from=RobertaModel),
        Case(
            "xlm-roberta",
            XLMRobertaConfig(**{**SIZES, "pad_token_id": 3}),
            xlm_heads,
            TARGETS,
            longest=18,
            saved_from=XLMRobertaModel,
        ),
    ]
