"""Trains SmolLM2-135M-Instruct on 300 chats in diffora and, from the same start, in PyTorch with PEFT: the same losses.

    python test/oracle/chat_smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf FOLDER [--shared ../shared] [--steps 100] [--compared 10]

The chats are made of GSM8K's training rows: a question and its answer, those of which are short. diffora trains LoRA of rank 8 on all
linear modules, batch 2, 192 tokens, and says the loss of 30 held-out chats before and after. PyTorch makes its own tokens by
`apply_chat_template`, takes the answers by `{% generation %}` marks, and follows the same steps with torch.optim.AdamW.
`N passed, N failed` at the end; exit code 1 if any failed.
"""

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3
LENGTH = 192


def write_chats(folder: Path, shared: Path) -> list[list[dict]]:
    lines = gzip.decompress((shared / "data/gsm8k/train.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [row for row in map(json.loads, lines) if len(row["question"]) + len(row["answer"]) < 420][:330]
    chats = [[{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}] for row in rows]
    for name, part in (("chats.jsonl", chats[:300]), ("dev.jsonl", chats[300:])):
        (folder / name).write_text("".join(json.dumps({"messages": one}) + "\n" for one in part))
    (folder / "chats.yaml").write_text("kind: chat\ntrain: chats.jsonl\ndev: dev.jsonl\n")
    return chats[:300]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--compared", type=int, default=10)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chats = write_chats(options.folder, options.shared)
    ours = ["node", "--import", "tsx", "test/oracle/chat_smollm2.ts", options.folder.resolve(), options.gguf.resolve(), options.steps]
    subprocess.run(list(map(str, ours)), check=True, cwd=ROOT)
    return compare(options.gguf, options.folder, chats, options.compared)


def compare(gguf: Path, folder: Path, chats: list[list[dict]], compared: int) -> int:
    import torch
    from interop import Checks
    from kind_chat import marked
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(2)
    taken = json.loads((folder / "steps.json").read_text())
    source = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    base = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, folder / "start", is_trainable=True).train()
    template = marked("smollm2", tokenizer.chat_template)
    matrices = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(matrices, lr=0, weight_decay=0.01)
    checks = Checks()
    for number, step in enumerate(taken["steps"][:compared], 1):
        given = [
            tokenizer.apply_chat_template(chats[int(row) - 1], chat_template=template, return_dict=True, return_assistant_tokens_mask=True)
            for row in step["rows"]
        ]
        # What is too long loses the beginning of its question.
        given = [{key: values[-LENGTH:] for key, values in one.items()} for one in given]
        width = max(len(one["input_ids"]) for one in given)
        padded = lambda values, filler: values + [filler] * (width - len(values))
        ids = torch.tensor([padded(one["input_ids"], 0) for one in given])
        attention = torch.tensor([padded([1] * len(one["input_ids"]), 0) for one in given])
        learned = torch.tensor([padded(one["assistant_masks"], 0) for one in given])
        loss = model(input_ids=ids, attention_mask=attention, labels=ids.masked_fill(learned == 0, -100)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(matrices, 1.0)
        optimizer.param_groups[0]["lr"] = step["learningRate"]
        optimizer.step()
        optimizer.zero_grad()
        difference = abs(loss.item() - step["loss"])
        checks.that(difference <= TOLERANCE, f"step {number}", f"loss {loss.item():.6f}, in diffora {step['loss']:.6f}, difference {difference:.1e}")
    before, after = taken["before"]["loss"], taken.get("after", {}).get("loss")
    if after is not None:
        checks.that(after < before, "the loss of held-out chats falls", f"{before:.4f} to {after:.4f} in {len(taken['steps'])} steps")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
