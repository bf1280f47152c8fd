"""LLaMA and its relatives: grouped heads, biases, tied output, every scaling of rotary positions, windows, norms, factors."""

from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma2ForSequenceClassification,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Gemma3TextForSequenceClassification,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
    MistralConfig,
    MistralForCausalLM,
    MistralForSequenceClassification,
    Olmo2Config,
    Olmo2ForCausalLM,
    Olmo2ForSequenceClassification,
    Phi3Config,
    Phi3ForCausalLM,
    Phi3ForSequenceClassification,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
    SmolLM3Config,
    SmolLM3ForCausalLM,
    SmolLM3ForSequenceClassification,
)

from families import Case, Head

TARGETS = r".*layers\.\d+\..*(q_proj|k_proj|v_proj|qkv_proj|o_proj|gate_proj|up_proj|gate_up_proj|down_proj)"
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}

SCALINGS = {
    "linear": {"factor": 2.0},
    "dynamic": {"factor": 2.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 8},
    "yarn-mscale": {"factor": 4.0, "original_max_position_embeddings": 8, "mscale": 0.7, "mscale_all_dim": 1.2, "beta_fast": 4},
    "longrope": {"short_factor": [1.0, 1.5], "long_factor": [2.0, 5.0], "original_max_position_embeddings": 10},
    "llama3": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
}


def cases() -> list[Case]:
    heads = [
        Head("CAUSAL_LM", "language", LlamaForCausalLM),
        Head("SEQ_CLS", "classification", LlamaForSequenceClassification),
        Head("SEQ_CLS", "regression", LlamaForSequenceClassification, 1),
        Head("TOKEN_CLS", "tokens", LlamaForTokenClassification),
    ]

    def llama(name, changed=None, longest=20, heads=heads[:1]):
        config = LlamaConfig(**{**SIZES, "classifier_dropout": 0.0, **(changed or {})})
        return Case(name, config, heads, TARGETS, longest=longest, saved_from=LlamaForCausalLM)

    def scaled(name, parameters):
        rope = {"rope_type": name.split("-")[0], "rope_theta": 100.0, **parameters}
        # Dynamic scaling starts beyond the positions that the model was made for.
        positions, longest = (12, 24) if name == "dynamic" else (20, 20)
        case = llama(f"llama-{name}", {"rope_parameters": rope, "max_position_embeddings": positions}, longest)
        # transformers takes one length for a batch, so that rows of other frequencies would not be what they are alone.
        if name == "dynamic":
            case.beside = 24
        if name == "longrope":
            case.lengths, case.beside = {"padding": [12, 11, 13], "single": [7]}, 11
        return case

    mistral = {**SIZES, "sliding_window": 4, "head_dim": 6}
    mistral_heads = [
        Head("CAUSAL_LM", "language", MistralForCausalLM),
        Head("SEQ_CLS", "classification", MistralForSequenceClassification),
    ]
    qwen = {**SIZES, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1, "tie_word_embeddings": True}
    qwen_heads = [
        Head("CAUSAL_LM", "language", Qwen2ForCausalLM),
        Head("SEQ_CLS", "classification", Qwen2ForSequenceClassification),
    ]
    windows = {"use_sliding_window": True, "sliding_window": 5}
    qwen3 = {**SIZES, **windows, "max_window_layers": 1, "head_dim": 6, "attention_bias": True}
    smollm3 = {**SIZES, **windows, "no_rope_layer_interval": 2, "mlp_bias": True}
    stated = {**SIZES, "no_rope_layers": [0, 1], "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}
    factors = {"embedding_multiplier": 3.0, "attention_multiplier": 0.4, "residual_multiplier": 0.7, "logits_scaling": 2.5}

    # Soft limits are applied by eager attention alone.
    gemma = {**SIZES, "sliding_window": 4, "head_dim": 6, "query_pre_attn_scalar": 9, "attn_implementation": "eager"}
    gemma2 = {**gemma, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0, "tie_word_embeddings": True}
    by_type = {
        "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
        "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 300.0},
    }
    gemma3 = {**gemma, "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"], "rope_parameters": by_type}
    phi3 = {**SIZES, "hidden_size": 32, "partial_rotary_factor": 0.75, "sliding_window": 6, "original_max_position_embeddings": 20}
    factors3 = {"short_factor": [1.0, 1.5, 2.0, 1.2], "long_factor": [2.0, 5.0, 1.0, 3.0], "type": "longrope"}
    phi3_long = {**SIZES, "hidden_size": 32, "rope_scaling": factors3, "original_max_position_embeddings": 10}

    def relative(name, config, language, classification=None):
        heads = [Head("CAUSAL_LM", "language", language)]
        if classification is not None:
            heads.append(Head("SEQ_CLS", "classification", classification))
        return Case(name, config, heads, TARGETS, longest=20, saved_from=language)

    # A place of padding that sees padding alone is not a number in eager attention, and spreads.
    def within_window(case):
        case.lengths, case.beside = {"padding": [12, 11, 9], "single": [7]}, 17
        return case

    long = relative("phi3-longrope", Phi3Config(**phi3_long), Phi3ForCausalLM)
    long.lengths, long.beside = {"padding": [12, 11, 13], "single": [7]}, 11

    biased = {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 6, "hidden_act": "gelu"}
    return [
        llama("llama", heads=heads),
        llama("llama-tied-biases", biased),
        llama("llama-full-heads", {"num_key_value_heads": 4, "rms_norm_eps": 1e-5}),
        llama("llama-one-key-head", {"num_key_value_heads": 1}),
        *[scaled(name, parameters) for name, parameters in SCALINGS.items()],
        Case("mistral", MistralConfig(**mistral), mistral_heads, TARGETS, longest=20, saved_from=MistralForCausalLM),
        Case("qwen2", Qwen2Config(**qwen), qwen_heads, TARGETS, longest=20, saved_from=Qwen2ForCausalLM),
        relative("qwen3", Qwen3Config(**qwen3), Qwen3ForCausalLM, Qwen3ForSequenceClassification),
        relative("smollm3", SmolLM3Config(**smollm3), SmolLM3ForCausalLM, SmolLM3ForSequenceClassification),
        relative("smollm3-stated", SmolLM3Config(**stated), SmolLM3ForCausalLM),
        relative("olmo2", Olmo2Config(**SIZES), Olmo2ForCausalLM, Olmo2ForSequenceClassification),
        within_window(relative("gemma2", Gemma2Config(**gemma2), Gemma2ForCausalLM, Gemma2ForSequenceClassification)),
        within_window(relative("gemma3", Gemma3TextConfig(**gemma3), Gemma3ForCausalLM, Gemma3TextForSequenceClassification)),
        relative("phi3", Phi3Config(**phi3), Phi3ForCausalLM, Phi3ForSequenceClassification),
        long,
        relative("granite", GraniteConfig(**SIZES, **factors), GraniteForCausalLM),
    ]
