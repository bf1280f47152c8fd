"""GGUF files whose settings and tensors are easily misread, with what the models that they were written from compute.

`gguf-<case>.gguf`: a LLaMA or Qwen2 as llama.cpp's convert_hf_to_gguf.py writes it. The logits are the model's own, since
transformers passes over the biases and rotary scalings of these files. `gguf-tokenizers.json`: what `tokenizer.ggml.*`
says, and the ids that transformers gives for it.
"""

import json
import tempfile
from pathlib import Path

import gguf
import numpy
import torch
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

import gguf_tokenizers
from checkpoint_files import bytes_to_unicode
from families import draw
from fixture_files import VERSIONS, Fixture

ALPHABET = list(bytes_to_unicode().values())
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 32,
    "tie_word_embeddings": True,
}
IDS = [5, 70, 33, 101, 64, 9, 200, 71, 72, 90, 11, 150, 3, 61, 18, 40, 41, 42, 43, 44]
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def make(folder: Path) -> None:
    target = folder / "checkpoints"
    target.mkdir(parents=True, exist_ok=True)
    models(target)
    tokenizers(target)


def models(target: Path) -> None:
    fixture = Fixture(target, "gguf-models")
    described = {}
    scaled = lambda **more: {"rope_parameters": {"rope_theta": 1000.0, **more}}
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}
    cases = {
        # name: (model, metadata, whether the frequencies come as a tensor)
        "biases": (llama(1, attention_bias=True, mlp_bias=True), {}, False),
        "linear": (llama(2, **scaled(rope_type="linear", factor=2.0)), {"rope.scaling.factor": 2.0}, False),
        "yarn": (
            llama(3, **scaled(**yarn)),
            {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 8},
            False,
        ),
        "llama3": (llama(4, **scaled(**LLAMA3, original_max_position_embeddings=8)), {}, True),
        "qwen2": (qwen2(6), {}, False),
    }
    for name, (model, metadata, frequencies) in cases.items():
        path = target / f"gguf-{name}.gguf"
        write_model(path, model, metadata, frequencies)
        with torch.no_grad():
            logits = model(torch.tensor([IDS])).logits[0, -4:]
        described[name] = fixture.add(name, logits.double())
    fixture.write({"versions": {**VERSIONS, "gguf": "0.19"}, "ids": IDS, "logits": described})


def llama(seed: int, **settings) -> LlamaForCausalLM:
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(ALPHABET), **SIZES, **settings)).float().eval()
    draw(model, 20261127 + seed)
    return model


def qwen2(seed: int) -> Qwen2ForCausalLM:
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(ALPHABET), **SIZES)).float().eval()
    draw(model, 20261127 + seed)
    return model


def write_model(path: Path, model, metadata: dict, frequencies: bool) -> None:
    config = model.config
    kind = config.model_type
    writer = gguf.GGUFWriter(path, kind)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    for key, value in metadata.items():
        add = {float: writer.add_float32, int: writer.add_uint32, str: writer.add_string}[type(value)]
        add(f"{kind}.{key}", value)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(ALPHABET)
    writer.add_token_types([1] * len(ALPHABET))
    writer.add_token_merges(["a b"])
    if frequencies:
        # Model.generate_extra_tensors of convert_hf_to_gguf.py: plain frequencies over scaled ones.
        rotary = model.model.rotary_emb
        dim = config.hidden_size // config.num_attention_heads
        plain = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, dim, 2).double() / dim)
        writer.add_tensor("rope_freqs.weight", (plain / rotary.inv_freq.double()).float().numpy())
    architecture = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}[kind]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        data = value.numpy()
        if kind == "llama" and name.endswith(("q_proj.weight", "q_proj.bias", "k_proj.weight", "k_proj.bias")):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            data = data.reshape(heads, 2, data.shape[0] // heads // 2, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)
        short = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(short, numpy.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# transformers passes over this one of `tokenizer.ggml.pre`: what SmolLM2's own tokenizer.json says.
DIGITS = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
MERGES = ["1 2", "12 3", "123 4", "Ġ t", "h e", "Ġt he", "' S", "D '", "D' S", "! Ċ", "Ġ Ġ", "a b", "b c", "A b"]
TEXTS = [
    "the 1234 and 12345 the",
    "DOG'S and dog's, D'S",
    "hi!\n\n  the\n end  ",
    "a\tb  c   d",
    "naïve Ünïcode 東京 1２3",
    "<|go|>the<|stay|> the <|go|>",
    "abc AbcDe ABcd",
    "x  12 y   3",
    "",
]


def tokenizers(target: Path) -> None:
    tokens = [*ALPHABET, *[merge.replace(" ", "") for merge in MERGES], "<|go|>", "<|stay|>"]
    types = [1] * (len(tokens) - 2) + [3, 4]
    go = len(tokens) - 2
    byte_level = {"model": "gpt2", "tokens": tokens, "tokenTypes": types, "merges": MERGES, "bosTokenId": go}
    cases = {
        "no name": {},
        "bos": {"addBosToken": True},
        "bos and eos": {"addBosToken": True, "addEosToken": True, "eosTokenId": go + 1},
        **{pre: {"pre": pre, "addBosToken": False} for pre in ("default", "gpt-2", "dbrx", "qwen2", "llama-bpe", "tekken")},
    }
    described = [case(name, byte_level, more) for name, more in cases.items()]
    described.append(case("smollm", byte_level, {"pre": "smollm"}, DIGITS))
    pieces = [case("scores", sentence_pieces(), {})]
    written = {
        "versions": {**VERSIONS, "gguf": "0.19"},
        "texts": TEXTS,
        "byteLevel": {"fields": byte_level, "cases": described},
        "pieces": {"fields": sentence_pieces(), "cases": pieces},
    }
    (target / "gguf-tokenizers.json").write_text(json.dumps(written, ensure_ascii=False) + "\n")


def sentence_pieces() -> dict:
    """Pieces whose scores are in another order than their ids."""
    plain = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    letters = ["▁", *"abcdetho"]
    joined = {"th": -3.0, "he": -1.0, "the": -2.0, "▁t": -5.0, "▁the": -4.0, "ab": -8.0, "bc": -6.0}
    tokens = [*plain, *joined, *letters]
    scores = [0.0] * len(plain) + list(joined.values()) + [-10.0 - i for i in range(len(letters))]
    types = [2, 3, 3] + [6] * 256 + [1] * (len(joined) + len(letters))
    ids = {"bosTokenId": 1, "eosTokenId": 2, "unknownTokenId": 0}
    return {"model": "llama", "tokens": tokens, "scores": scores, "tokenTypes": types, **ids}


def case(name: str, common: dict, more: dict, cuts: list | None = None) -> dict:
    fields = {**common, **more}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.gguf"
        gguf_tokenizers.write(path, {"architecture": "llama", **fields})
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=path.name)
        if cuts is not None:
            tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    return {"name": name, "fields": more, "ids": [tokenizer(text)["input_ids"] for text in TEXTS]}
