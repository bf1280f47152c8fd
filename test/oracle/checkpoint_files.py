"""Checkpoints in other formats than safetensors, with what PyTorch, gguf and transformers read out of them.

`quants`: random blocks of every GGUF type and their values by the Python package gguf. `torch.bin`: what torch.save
writes. `tiny.gguf`: a LLaMA with quantised weights and a byte-level tokenizer, with transformers' logits. The digest of
roberta_base_lora_mnli.bin is made where ../shared is at hand.
"""

import collections
import hashlib
import json
from pathlib import Path

import gguf
import numpy
import torch
from gguf.quants import dequantize, quantize
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from families import draw
from fixture_files import VERSIONS, Fixture, normal, seeded

TYPES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
LORA = "roberta_base_lora_mnli/roberta_base_lora_mnli.bin"


def make(folder: Path) -> None:
    target = folder / "checkpoints"
    target.mkdir(parents=True, exist_ok=True)
    quants(target)
    torch_file(target)
    odd_torch_files(target)
    tiny_gguf(target)
    lora_digest(target, Path(__file__).resolve().parents[3] / "shared" / "models" / LORA)


def quants(target: Path) -> None:
    fixture = Fixture(target, "quants")
    random = numpy.random.default_rng(20250301)
    entries = []
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = 64 if elements == 1 else 3
        data = random.integers(0, 256, [blocks, size], dtype=numpy.uint8)
        half_scales(name, data, random)
        values = dequantize(data.reshape(1, -1), kind).astype(numpy.float32).reshape(-1)
        entries.append(
            {
                "type": name,
                "bytes": fixture.add(f"{name}/bytes", torch.from_numpy(data.astype(numpy.int64).reshape(-1))),
                "values": fixture.add(f"{name}/values", torch.from_numpy(values)),
            }
        )
    fixture.write({"versions": {**VERSIONS, "gguf": "0.19"}, "types": entries})


# Where the half-precision scales of a block stand: random bytes would make infinities of them.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108]}
SCALES |= {"Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F16": [0]}


def half_scales(name: str, data: numpy.ndarray, random: numpy.random.Generator) -> None:
    if name == "BF16":
        data[:, 1] &= 0x3F
    for at in SCALES.get(name, []):
        for block in data:
            block[at : at + 2] = numpy.frombuffer(numpy.float16(random.normal(0, 0.1)).tobytes(), numpy.uint8)


def torch_file(target: Path) -> None:
    generator = seeded(20250302)
    base = normal(generator, [6, 4]).float()
    tensors = collections.OrderedDict(
        [
            ("whole", base),
            ("rows", base[2:4]),
            ("parameter", torch.nn.Parameter(normal(generator, [3]).float())),
            ("half", normal(generator, [2, 3]).half()),
            ("bfloat16", normal(generator, [5]).bfloat16()),
            ("double", normal(generator, [2]).double()),
            ("integers", torch.arange(4)),
            ("scalar", torch.tensor(2.5)),
            ("empty", torch.zeros(0, 4)),
        ]
    )
    tensors._metadata = {"": {"version": 1}}
    torch.save(tensors, target / "torch.bin")
    torch.save({"epoch": 3, "state_dict": tensors, "rate": 0.1, "names": ["a", None, True]}, target / "wrapped.bin")
    torch.save({"turned": base.T}, target / "turned.bin")
    torch.save(tensors, target / "old.bin", _use_new_zipfile_serialization=False)
    # Its beginning says what it is; further on it holds addresses of memory, other ones each time.
    (target / "old.bin").write_bytes((target / "old.bin").read_bytes()[:128])
    fixture = Fixture(target, "torch")
    fixture.write({name: fixture.add(name, value.double().float()) for name, value in tensors.items()})


def odd_torch_files(target: Path) -> None:
    """What torch.save writes of tensors that are not plain: each would be read wrongly if its description were passed over."""
    base = torch.arange(1.0, 7.0).reshape(2, 3)
    odd = {
        "negated": torch._neg_view(base),
        "sparse": base.to_sparse(),
        "float8": base.to(torch.float8_e4m3fn),
        "complex": base.to(torch.complex64),
        "meta": base.to("meta"),
        "expanded": base[:, :1].expand(2, 3),
    }
    for name, value in odd.items():
        torch.save({"odd": value}, target / f"odd-{name}.bin")
    torch.save(torch.nn.Linear(2, 2), target / "odd-module.bin")
    torch.save({"first": base, "again": base, "second row": base[1]}, target / "shared.bin")


def tiny_gguf(target: Path) -> None:
    alphabet = list(bytes_to_unicode().values())
    merges = ["Ġ t", "h e", "Ġt he", "i n", "a n", "Ġ a"]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet, *[merge.replace(" ", "") for merge in merges]]
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rope_theta=1000.0,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).float()
    draw(model, 20250303)
    path = target / "tiny.gguf"
    write_gguf(path, model, tokens, merges)
    tokenizer = AutoTokenizer.from_pretrained(target, gguf_file=path.name)
    loaded = AutoModelForCausalLM.from_pretrained(target, gguf_file=path.name, dtype=torch.float32).eval()
    text = "the man in the sea and an inn, 123"
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        logits = loaded(torch.tensor([ids])).logits[0]
        generated = loaded.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, eos_token_id=None)
    fixture = Fixture(target, "tiny-gguf")
    weights = {name: value for name, value in loaded.state_dict().items()}
    fixture.write(
        {
            "text": text,
            "ids": ids,
            "generated": generated[0, len(ids) :].tolist(),
            "logits": fixture.add("logits", logits),
            "weights": fixture.add_all("weights", weights),
        }
    )


def write_gguf(path: Path, model: LlamaForCausalLM, tokens: list[str], merges: list[str]) -> None:
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(1000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    kinds = {"attn_q": "Q4_0", "attn_k": "F16", "attn_v": "Q8_0", "ffn_up": "Q5_1", "ffn_gate": "F32", "ffn_down": "Q4_1"}
    for name, value in model.state_dict().items():
        short = names.get_name(name, try_suffixes=(".weight", ".bias"))
        data = value.numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            data = data.reshape(heads, 2, data.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(data.shape)
        kind = gguf.GGMLQuantizationType[kinds.get(short.split(".")[-2], "F32" if data.ndim == 1 else "Q8_0")]
        stored = quantize(numpy.ascontiguousarray(data), kind)
        writer.add_tensor(short, stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def bytes_to_unicode() -> dict[int, str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    return letters | {byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in plain)}


def lora_digest(target: Path, path: Path) -> None:
    if not path.exists():
        raise SystemExit(f"{path} is missing: the digest of its tensors cannot be made")
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    digests = {
        name: {"shape": list(value.shape), "sha256": hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()}
        for name, value in tensors.items()
    }
    (target / "roberta-lora.json").write_text(json.dumps(digests, indent=1) + "\n")
