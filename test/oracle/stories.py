"""Makes test/infer/fixtures/stories260K.json: 200 tokens that transformers' LlamaForCausalLM gives greedily for the
llama2.c model stories260K of the shared folder, converted to its names.

    python3 test/oracle/stories.py [--shared ../shared]
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[3] / "shared")
    path = parser.parse_args().shared / "models/stories260K/stories260K.bin"
    data = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, seq = numpy.frombuffer(data, "<i4", 7)
    values = torch.from_numpy(numpy.frombuffer(data, "<f4", offset=28).copy())
    sizes = {"vocab_size": vocab, "hidden_size": dim, "intermediate_size": hidden, "num_hidden_layers": layers}
    sizes |= {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "max_position_embeddings": seq}
    config = LlamaConfig(**{key: int(value) for key, value in sizes.items()}, rms_norm_eps=1e-5, tie_word_embeddings=True)
    model = LlamaForCausalLM(config).float().eval()
    at = 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal at
        count = int(numpy.prod(shape))
        at += count
        return values[at - count : at].reshape(*shape)

    def halves(weight: torch.Tensor, count: int) -> torch.Tensor:
        """llama2.c rotates neighbouring rows, transformers the halves of a head."""
        return weight.reshape(count, -1, 2, dim).transpose(1, 2).reshape(-1, dim)

    keys = int(dim // heads * kv_heads)
    embedding = take(vocab, dim)
    norms, query = take(layers, dim), take(layers, dim, dim)
    key, value, output = take(layers, keys, dim), take(layers, keys, dim), take(layers, dim, dim)
    second, gate = take(layers, dim), take(layers, hidden, dim)
    down, up, last = take(layers, dim, hidden), take(layers, hidden, dim), take(dim)
    weights = {"model.embed_tokens.weight": embedding, "lm_head.weight": embedding, "model.norm.weight": last}
    for i in range(layers):
        layer = f"model.layers.{i}"
        weights |= {
            f"{layer}.input_layernorm.weight": norms[i],
            f"{layer}.self_attn.q_proj.weight": halves(query[i], heads),
            f"{layer}.self_attn.k_proj.weight": halves(key[i], kv_heads),
            f"{layer}.self_attn.v_proj.weight": value[i],
            f"{layer}.self_attn.o_proj.weight": output[i],
            f"{layer}.post_attention_layernorm.weight": second[i],
            f"{layer}.mlp.gate_proj.weight": gate[i],
            f"{layer}.mlp.down_proj.weight": down[i],
            f"{layer}.mlp.up_proj.weight": up[i],
        }
    model.load_state_dict(weights)
    with torch.no_grad():
        ids = model.generate(torch.tensor([[1]]), max_new_tokens=200, do_sample=False, eos_token_id=None, pad_token_id=0)
    target = Path(__file__).resolve().parent.parent / "infer" / "fixtures" / "stories260K.json"
    target.write_text(json.dumps({"transformers": transformers.__version__, "ids": ids[0, 1:].tolist()}) + "\n")


if __name__ == "__main__":
    main()
