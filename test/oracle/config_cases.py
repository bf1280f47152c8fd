"""Settings of config.json that once were read as something else, or not at all, each with what transformers gives."""

import random
import tempfile
from pathlib import Path

import torch
import transformers

from fixture_files import dump
from odd_checkpoints import answered
from odd_values import base_config

TIED = {"tie_word_embeddings": True}
WINDOWS = ["full_attention", "sliding_attention"]
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 100.0}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 5.0], "original_max_position_embeddings": 6}
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 50.0}
SMALL = {"hidden_size": 16, "num_attention_heads": 4}

"""Name, model_type, head, form of the file, keys that are set (None: as they are; ...: left out)."""
CASES = [
    *[(f"{one} that sees both ways", one, head, "plain", {"is_causal": False}) for one, head in [("llama", "CAUSAL_LM"), ("llama", "TOKEN_CLS"), ("mistral", "SEQ_CLS"), ("qwen2", "CAUSAL_LM"), ("gpt2", "CAUSAL_LM"), ("gpt2", "QUESTION_ANS")]],
    ("mistral with a window both ways", "mistral", "CAUSAL_LM", "plain", {"is_causal": False, "sliding_window": 3}),
    ("qwen2 with windows both ways", "qwen2", "SEQ_CLS", "plain", {"is_causal": False, "use_sliding_window": True, "sliding_window": 3, "layer_types": WINDOWS}),
    *[(f"{one} as a decoder", one, head, "plain", {"is_decoder": True}) for one, head in [("bert", "SEQ_CLS"), ("bert", "TOKEN_CLS"), ("roberta", "SEQ_CLS")]],
    ("bert as a decoder that sees both ways", "bert", "SEQ_CLS", "plain", {"is_decoder": True, "is_causal": False}),
    *[(f"{one} as a decoder, which it never is", one, "SEQ_CLS", "plain", {"is_decoder": True}) for one in ["distilbert", "deberta-v2"]],
    ("deberta-v2 told that it is causal", "deberta-v2", "SEQ_CLS", "plain", {"is_causal": True}),
    *[(f"{one}, tied, with another output stored", one, "CAUSAL_LM", "both", TIED) for one in ["llama", "mistral", "qwen2", "gpt2"]],
    *[(f"{one}, tied, the output alone stored", one, "CAUSAL_LM", "output alone", TIED) for one in ["llama", "mistral", "qwen2", "gpt2"]],
    ("llama, tied, both stored and the same", "llama", "CAUSAL_LM", "plain", TIED),
    ("mistral with windows in some layers", "mistral", "CAUSAL_LM", "plain", {**SMALL, "head_dim": 4, "layer_types": WINDOWS, "sliding_window": 2}),
    ("mistral with layers by their old name", "mistral", "CAUSAL_LM", "plain", {**SMALL, "head_dim": 4, "layer_types": ["attention", "sliding_attention"], "sliding_window": 2}),
    ("qwen2 with windows in some layers", "qwen2", "CAUSAL_LM", "plain", {"use_sliding_window": True, "layer_types": WINDOWS[::-1], "sliding_window": 2}),
    ("qwen2 with windows from a layer on", "qwen2", "CAUSAL_LM", "plain", {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 2}),
    ("qwen2 with windows that are not used", "qwen2", "CAUSAL_LM", "plain", {"max_window_layers": 0, "sliding_window": 2}),
    ("llama with dynamic scaling", "llama", "SEQ_CLS", "plain", {**SMALL, "rope_parameters": DYNAMIC, "max_position_embeddings": 7}),
    ("mistral with dynamic scaling", "mistral", "CAUSAL_LM", "plain", {**SMALL, "rope_parameters": DYNAMIC, "max_position_embeddings": 7}),
    ("llama with LongRoPE", "llama", "CAUSAL_LM", "plain", {**SMALL, "rope_parameters": LONGROPE}),
    ("qwen2 with LongRoPE", "qwen2", "SEQ_CLS", "plain", {**SMALL, "rope_parameters": LONGROPE}),
    ("llama with rope_scaling beside rope_parameters", "llama", "CAUSAL_LM", "plain", {"rope_scaling": LINEAR, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}),
    ("llama with a part of heads turned", "llama", "CAUSAL_LM", "plain", {**SMALL, "rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 1e4}}),
    ("llama with a part that its code does not read", "llama", "CAUSAL_LM", "plain", {"partial_rotary_factor": 0.5}),
    ("llama whose token head has no bias", "llama", "TOKEN_CLS", "plain", {"token_classification_bias": False}),
    *[(f"{one} without a padding id", one, "SEQ_CLS", "plain", {"pad_token_id": -1}) for one in ["llama", "mistral", "bert", "distilbert", "deberta-v2", "roberta"]],
    ("bert without what has defaults", "bert", "SEQ_CLS", "plain", {"type_vocab_size": ..., "pad_token_id": ...}),
    ("mistral without its number of key heads", "mistral", "CAUSAL_LM", "plain", {"num_attention_heads": 8, "hidden_size": 32, "num_key_value_heads": ..., "head_dim": 4}),
    ("gpt2 under transformers' common names", "gpt2", "CAUSAL_LM", "plain", {"n_head": ..., "num_attention_heads": 4, "max_position_embeddings": 14}),
    ("distilbert under transformers' common names", "distilbert", "SEQ_CLS", "plain", {"n_layers": ..., "num_hidden_layers": 1, "n_heads": 4, "num_attention_heads": 2}),
    ("roberta with its padding id in a text", "roberta", "TOKEN_CLS", "plain", {}),
    *[(f"{one} with norms by their old names", one, "SEQ_CLS", "old", {}) for one in ["distilbert", "deberta-v2"]],
]


def make(folder: Path) -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    cases = []
    for index, (name, model_type, task_type, form, changed) in enumerate(CASES):
        rng = random.Random(f"config/{index}")
        config = {**base_config(rng, model_type), **changed}
        config = {key: value for key, value in config.items() if value is not ...}
        with tempfile.TemporaryDirectory() as place:
            case = answered(Path(place), config, task_type, form, 20250300 + index, rng, "padding id in a text" in name)
        cases.append({"name": name, **case, "changed": sorted(changed)})
    (folder / "config-cases.json").write_text(dump({"transformers": transformers.__version__, "cases": cases}) + "\n")
