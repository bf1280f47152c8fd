"""GPT-2: transposed weights, fused attention, every head."""

from transformers import (
    GPT2Config,
    GPT2ForQuestionAnswering,
    GPT2ForSequenceClassification,
    GPT2ForTokenClassification,
    GPT2LMHeadModel,
)

from families import Case, Head

TARGETS = r".*h\.\d+\..*(c_attn|c_proj|c_fc)"
SIZES = {
    "vocab_size": 60,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 20,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
    "resid_pdrop": 0.0,
    "classifier_dropout": 0.0,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def cases() -> list[Case]:
    heads = [
        Head("CAUSAL_LM", "language", GPT2LMHeadModel),
        Head("SEQ_CLS", "classification", GPT2ForSequenceClassification),
        Head("SEQ_CLS", "regression", GPT2ForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", GPT2ForTokenClassification),
        Head("QUESTION_ANS", "span", GPT2ForQuestionAnswering, 2),
    ]
    common = {"targets": TARGETS, "longest": 20, "saved_from": GPT2LMHeadModel}
    scaled = {"n_inner": 24, "scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}
    other = {"scale_attn_weights": False, "activation_function": "relu", "tie_word_embeddings": False}
    return [
        Case("gpt2", GPT2Config(**SIZES), heads, **common),
        Case("gpt2-scaled-by-layer", GPT2Config(**SIZES, **scaled), heads[:1], **common),
        Case("gpt2-unscaled-untied", GPT2Config(**SIZES, **other), heads[:1], **common),
    ]
