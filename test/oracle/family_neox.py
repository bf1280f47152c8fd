"""Decoders on the frame of GPT-2 and LLaMA: GPT-NeoX, OPT and StarCoder2."""

from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GPTNeoXForSequenceClassification,
    GPTNeoXForTokenClassification,
    OPTConfig,
    OPTForCausalLM,
    OPTForSequenceClassification,
    Starcoder2Config,
    Starcoder2ForCausalLM,
    Starcoder2ForSequenceClassification,
)

from families import Case, Head

NEOX = r".*layers\.\d+\..*(query_key_value|dense|dense_h_to_4h|dense_4h_to_h)"
OPT = r".*layers\.\d+\..*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
STARCODER = r".*layers\.\d+\..*(q_proj|k_proj|v_proj|o_proj|c_fc|c_proj)"
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def cases() -> list[Case]:
    neox = {**SIZES, "intermediate_size": 24, "classifier_dropout": 0.0, "rotary_pct": 0.5, "rotary_emb_base": 100}
    in_turn = {**neox, "use_parallel_residual": False, "attention_bias": False, "tie_word_embeddings": True, "rotary_pct": 1.0}
    neox_heads = [
        Head("CAUSAL_LM", "language", GPTNeoXForCausalLM),
        Head("SEQ_CLS", "classification", GPTNeoXForSequenceClassification),
        Head("TOKEN_CLS", "tokens", GPTNeoXForTokenClassification),
    ]
    opt = {**SIZES, "ffn_dim": 24, "dropout": 0.0}
    narrow = {**opt, "word_embed_proj_dim": 8, "do_layer_norm_before": False, "enable_bias": False, "activation_function": "gelu"}
    opt_heads = [
        Head("CAUSAL_LM", "language", OPTForCausalLM),
        Head("SEQ_CLS", "classification", OPTForSequenceClassification),
    ]
    coder = {**SIZES, "intermediate_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 4}
    coder_heads = [
        Head("CAUSAL_LM", "language", Starcoder2ForCausalLM),
        Head("SEQ_CLS", "classification", Starcoder2ForSequenceClassification),
    ]

    def case(name, config, heads, targets):
        return Case(name, config, heads, targets, longest=20, saved_from=heads[0].model_class)

    return [
        case("gpt-neox", GPTNeoXConfig(**neox), neox_heads, NEOX),
        case("gpt-neox-in-turn", GPTNeoXConfig(**in_turn), neox_heads[:1], NEOX),
        case("opt", OPTConfig(**opt), opt_heads, OPT),
        case("opt-narrow", OPTConfig(**narrow), opt_heads, OPT),
        case("starcoder2", Starcoder2Config(**coder), coder_heads, STARCODER),
    ]
