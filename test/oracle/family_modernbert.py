"""ModernBERT: layers with windows, rotary positions by type of layer, a pretrained head, biases or none, both poolings."""

from transformers import (
    ModernBertConfig,
    ModernBertForQuestionAnswering,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
)

from families import Case, Head

TARGETS = r".*layers\.\d+\..*(Wqkv|Wo|Wi)"
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "local_attention": 6,
    "global_attn_every_n_layers": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}


def cases() -> list[Case]:
    heads = [
        Head("SEQ_CLS", "classification", ModernBertForSequenceClassification),
        Head("TOKEN_CLS", "tokens", ModernBertForTokenClassification),
        Head("QUESTION_ANS", "span", ModernBertForQuestionAnswering, 2),
    ]
    changed = {
        "norm_bias": True,
        "attention_bias": True,
        "mlp_bias": True,
        "classifier_bias": True,
        "classifier_pooling": "mean",
        "classifier_activation": "relu",
        "layer_types": ["full_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
        },
    }

    def modern(name, config, heads):
        saved = ModernBertForSequenceClassification
        return Case(name, ModernBertConfig(**config), heads, TARGETS, longest=20, saved_from=saved, pretrained="head.")

    return [modern("modernbert", SIZES, heads), modern("modernbert-biases", {**SIZES, **changed}, heads[:1])]
