"""What a key of config.json may hold: small sizes, every kind of positions, windows, activations, and what nobody expects."""

import random

ENCODERS = ["bert", "roberta", "xlm-roberta", "camembert", "distilbert", "deberta-v2"]
DECODERS = ["llama", "mistral", "qwen2", "gpt2"]
MODEL_TYPES = ENCODERS + DECODERS


def head_types(model_type: str) -> list[str]:
    if model_type in ENCODERS:
        return ["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS"]
    if model_type == "gpt2":
        return ["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "CAUSAL_LM", "CAUSAL_LM"]
    return ["SEQ_CLS", "TOKEN_CLS", "CAUSAL_LM", "CAUSAL_LM"]


def base_config(rng: random.Random, model_type: str) -> dict:
    width, layers, heads, positions = rng.choice([16, 24]), 2, rng.choice([2, 4]), rng.choice([12, 20])
    common = {"model_type": model_type, "vocab_size": 40, "pad_token_id": 0 if model_type in DECODERS else 1}
    if model_type == "distilbert":
        return {**common, "dim": width, "hidden_dim": 20, "n_layers": layers, "n_heads": heads, "max_position_embeddings": positions}
    if model_type == "gpt2":
        return {**common, "n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": positions}
    sizes = {"hidden_size": width, "intermediate_size": 20, "num_hidden_layers": layers, "num_attention_heads": heads}
    made = {**common, **sizes, "max_position_embeddings": positions}
    if model_type in DECODERS:
        made["num_key_value_heads"] = 2
    if model_type == "deberta-v2":
        made.update({"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False})
    return made


ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "gelu_fast", "gelu_python", "quick_gelu", "tanh", "sigmoid", "linear", "mish", "relu2"]
DOMAINS = {
    "layer_types": lambda rng, config: layer_types(rng, config.get("num_hidden_layers", config.get("n_layer", 2))),
    "sliding_window": lambda rng, _: rng.choice([None, 1, 3, 5, 4096]),
    "attention_chunk_size": lambda rng, _: rng.choice([None, 3, 4096]),
    "max_window_layers": lambda rng, _: rng.choice([0, 1, 2, 7]),
    "head_dim": lambda rng, _: rng.choice([None, 4, 6, 8, 10]),
    "num_key_value_heads": lambda rng, _: rng.choice([None, 1, 2, 4]),
    "num_attention_heads": lambda rng, _: rng.choice([1, 2, 4, 8]),
    "n_heads": lambda rng, _: rng.choice([1, 2, 4, 8]),
    "n_head": lambda rng, _: rng.choice([1, 2, 4, 8]),
    "hidden_size": lambda rng, _: rng.choice([8, 16, 24]),
    "num_hidden_layers": lambda rng, _: rng.choice([1, 2, 3]),
    "pad_token_id": lambda rng, _: rng.choice([None, -1, 0, 1, 5, 39]),
    "rope_theta": lambda rng, _: rng.choice([100, 500.0, 1e6]),
    "rope_parameters": lambda rng, config: rope(rng, config),
    "rope_scaling": lambda rng, config: rope(rng, config),
    "partial_rotary_factor": lambda rng, _: rng.choice([0.5, 1.0]),
    "original_max_position_embeddings": lambda rng, _: rng.choice([6, 12]),
    "max_position_embeddings": lambda rng, _: rng.choice([7, 14, 33]),
    "n_positions": lambda rng, _: rng.choice([7, 14, 33]),
    "vocab_size": lambda rng, _: rng.choice([33, 64]),
    "type_vocab_size": lambda rng, _: rng.choice([0, 1, 2, 3]),
    "pos_att_type": lambda rng, _: rng.choice([None, [], ["c2p"], ["p2c"], "p2c|c2p", "C2P", ["c2p", "p2c"]]),
    "norm_rel_ebd": lambda rng, _: rng.choice(["none", "layer_norm"]),
    "conv_kernel_size": lambda rng, _: rng.choice([0, 1, 2, 3, 5]),
    "conv_groups": lambda rng, _: rng.choice([1, 2]),
    "embedding_size": lambda rng, _: rng.choice([8, 12]),
    "position_buckets": lambda rng, _: rng.choice([-1, 4, 6]),
    "max_relative_positions": lambda rng, _: rng.choice([-1, 3, 8, 64]),
    "attention_head_size": lambda rng, _: rng.choice([4, 8, 12]),
    "pooler_hidden_size": lambda rng, config: config.get("hidden_size", 16),
    "per_layer_config": lambda rng, _: rng.choice([None, {}, {"1": {"intermediate_size": 12}}]),
    "layer_norm_eps": lambda rng, _: rng.choice([1e-12, 1e-5, 0.1]),
    "layer_norm_epsilon": lambda rng, _: rng.choice([1e-5, 0.1]),
    "rms_norm_eps": lambda rng, _: rng.choice([1e-6, 0.1]),
    "problem_type": lambda rng, _: rng.choice([None, "regression", "single_label_classification", "multi_label_classification"]),
    "id2label": lambda rng, _: {str(i): f"L{i}" for i in range(rng.choice([1, 3, 5]))},
    "num_labels": lambda rng, _: rng.choice([1, 2, 3]),
    "dtype": lambda rng, _: rng.choice(["float32", "float16", "bfloat16"]),
    "torch_dtype": lambda rng, _: rng.choice(["float32", "float16"]),
    "intermediate_size": lambda rng, _: rng.choice([8, 32]),
    "n_inner": lambda rng, _: rng.choice([None, 12, 32]),
    "architectures": lambda rng, _: rng.choice([None, [], ["SomethingElse"]]),
    "quantization_config": lambda rng, _: None,
}

ACTIVATION_KEYS = ("_act", "activation", "activation_function")
BOOLEANS = (
    "is_", "add_", "use_", "tie_", "scale_", "position_biased", "relative_attention", "share_", "output_", "return_", "legacy",
    "attention_bias", "mlp_bias", "token_classification_bias", "reorder", "sinusoidal", "gradient", "summary_use", "summary_proj", "chain", "mtp_hidden",
)


def tells(key: str) -> bool:
    """Whether a value of this key is likely to change what a model gives."""
    return key in DOMAINS or key.startswith(BOOLEANS) or key.endswith(ACTIVATION_KEYS)


def odd_value(rng: random.Random, key: str, config: dict):
    if key in DOMAINS:
        return DOMAINS[key](rng, config)
    if key.endswith(ACTIVATION_KEYS):
        return rng.choice(ACTIVATIONS)
    if key.startswith(BOOLEANS):
        return rng.choice([True, False])
    if "dropout" in key or "pdrop" in key or key in {"initializer_range", "init_std", "initializer_factor"}:
        return rng.choice([0, 0.0, 0.3, 0.5])
    if key.endswith("_token_id"):
        return rng.choice([None, 0, 2, 39])
    return rng.choice([None, 0, 1, 2, 3, True, False, 0.5, "text"])


def layer_types(rng: random.Random, layers) -> list[str]:
    count = layers if isinstance(layers, int) and 0 < layers < 20 else 2
    return [rng.choice(["full_attention", "sliding_attention", "sliding_attention", "attention"]) for _ in range(count)]


def rope(rng: random.Random, config: dict):
    width, heads = config.get("hidden_size", 16), config.get("num_attention_heads", 2) or 1
    size = (config.get("head_dim") or width // heads) // 2
    kind = rng.choice([None, "default", "linear", "dynamic", "dynamic", "yarn", "longrope", "longrope", "llama3", "proportional"])
    if kind is None:
        return rng.choice([None, {}])
    made: dict = {rng.choice(["rope_type", "rope_type", "type"]): kind}
    if rng.random() < 0.6:
        made["rope_theta"] = rng.choice([50.0, 1000.0, 1e6])
    if kind in {"linear", "dynamic", "yarn", "llama3"} or (kind in {"longrope", "proportional"} and rng.random() < 0.5):
        made["factor"] = rng.choice([1.0, 2.0, 4, 8.0])
    if kind in {"yarn", "longrope", "llama3"} and rng.random() < 0.8:
        made["original_max_position_embeddings"] = rng.choice([4, 8])
    if kind in {"proportional", "default"} and rng.random() < 0.5:
        made["partial_rotary_factor"] = rng.choice([0.25, 0.5, 1.0])
    if kind == "llama3":
        made.update({"low_freq_factor": rng.choice([1.0, 0.5]), "high_freq_factor": 4.0})
    if kind == "longrope":
        made.update({"short_factor": [rng.choice([1.0, 1.3]) for _ in range(size)], "long_factor": [rng.choice([2.0, 5.0]) for _ in range(size)]})
    if kind == "yarn":
        for key, values in {"beta_fast": [4, 32], "beta_slow": [1, 0.5], "mscale": [0.7, 1.0], "mscale_all_dim": [1.2, 1.0], "truncate": [True, False]}.items():
            if rng.random() < 0.4:
                made[key] = rng.choice(values)
    if kind in {"yarn", "longrope"} and rng.random() < 0.3:
        made["attention_factor"] = 1.5
    if rng.random() < 0.15:
        made["note"] = "nothing reads this"
    return made
