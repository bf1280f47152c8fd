"""Checks that conversations are what transformers and TRL make of them.

    python test/oracle/kind_chat.py FOLDER       trains in FOLDER and compares; run by .ci/interop
    python test/oracle/kind_chat.py --fixture    writes test/tasks/chat/fixtures; needs requirements-text.txt

The fixture holds 200 conversations over six templates as their models publish them. Token ids are those of
`apply_chat_template`. What is learned is what TRL's training templates mark (`return_assistant_tokens_mask`); for the three
that TRL has no such template of, the same marks are put into the published one. Compared in FOLDER: the answers that
`diffora predict` and `diffora generate --chat` give, and the greedy ones of the adapter in PEFT by the template that lies
beside it. `N passed, N failed` at the end; exit code 1 if any failed.
"""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "tasks" / "chat" / "fixtures"
TEMPLATES = FIXTURES / "templates"
LLAMA = ROOT / "test" / "fixtures" / "oracle" / "families" / "llama"

MARKS = ["<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|endoftext|>"]
PIECES = ["<unk>", "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
MARKED_TURN = (
    "{% if message['role'] == 'assistant' %}{{'<|im_start|>assistant\n'}}{% generation %}{{message['content'] + '<|im_end|>' + '\n'}}"
    "{% endgeneration %}{% else %}" + TURN + "{% endif %}"
)
MISTRAL_TURN = "{{ message['content'] + eos_token + ' ' }}"


def marked(name: str, template: str) -> str:
    """A published template with marks around what the assistant writes."""
    from trl import chat_template_utils

    of_trl = {"llama3": "llama3", "qwen2.5": "qwen2_5", "gemma": "gemma"}
    if name in of_trl:
        original = getattr(chat_template_utils, f"{of_trl[name]}_chat_template")
        assert template == original, f"{name}: TRL knows another template"
        return getattr(chat_template_utils, f"{of_trl[name]}_training_chat_template")
    turn, replacement = (MISTRAL_TURN, "{% generation %}" + MISTRAL_TURN + "{% endgeneration %}") if name == "mistral" else (TURN, MARKED_TURN)
    assert template.count(turn) == 1, name
    return template.replace(turn, replacement)


# Name of the template: kind of tokenizer, tokens that it names, whether it takes a system's message.
MODELS = {
    "chatml": ("byte-level", {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}, True),
    "llama3": ("byte-level", {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, True),
    "qwen2.5": ("byte-level", {"eos_token": "<|im_end|>"}, True),
    "smollm2": ("byte-level", {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}, True),
    "mistral": ("metaspace", {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}, False),
    "gemma": ("metaspace", {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}, False),
}

WORDS = (
    "the river runs to the sea and a heron waits in the reeds while rain falls on seven old stones near Łódź and München "
    "how many apples does Anna have if she buys 12 and gives 5 away she has 7 left because 12 - 5 = 7 what is the capital "
    "of France Paris it is a city on the Seine please write a list of three colours red green blue thank you very much"
).split()
ODD = [
    "", "\n", "\n\n", " ", "  ", "\t", "\n- one\n- two\n", "```python\nprint('hi')\n```", "¿Qué?", "日本語の文です。", "🙂🙂", "a\u0301", "e.g.", "…", "it's",
    "I'd", "3.14159", "1,000,000", "<b>bold</b>", "[INST]", "\\n", "{\"a\": [1, 2]}", "\r\nnew", "end ", " start",
]


def text(draw: random.Random) -> str:
    parts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(draw.randint(1, 3))]
    for _ in range(draw.randint(0, 2)):
        parts.insert(draw.randint(0, len(parts)), draw.choice(ODD))
    return draw.choice(["", "", "", " ", "\n"]) + draw.choice([" ", ". ", "\n"]).join(parts) + draw.choice(["", ".", "?\n", " "])


def conversation(draw: random.Random, system: bool) -> list[dict]:
    turns = [{"role": "system", "content": text(draw)}] if system and draw.random() < 0.5 else []
    for _ in range(draw.choice([1, 1, 2, 3, 5])):
        turns += [{"role": "user", "content": text(draw)}, {"role": "assistant", "content": text(draw)}]
    return turns


TOOLS = [{
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place, \"now\".",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place"]},
    },
}]


def called(draw: random.Random) -> list[dict]:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"place": draw.choice(["Łódź", "Paris"]), "days": draw.randint(1, 5)}}}
    said = {} if draw.random() < 0.5 else {"content": text(draw)}
    return [
        *conversation(draw, True),
        {"role": "user", "content": text(draw)},
        {"role": "assistant", **said, "tool_calls": [call] * draw.randint(1, 2)},
        {"role": "tool", "content": "{\"sky\": \"clear\"}"},
        {"role": "assistant", "content": text(draw)},
    ]


def train_tokenizers(texts: list[str]) -> dict:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    # Llama 3's and Qwen's expression: line breaks join what stands before them.
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    added = lambda names: [AddedToken(name, special=True, normalized=False) for name in names]
    byte_level.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=560, special_tokens=added(MARKS), initial_alphabet=alphabet, show_progress=False))
    metaspace = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    metaspace.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bytes_of = [f"<0x{i:02X}>" for i in range(256)]
    spaced = Tokenizer(models.BPE())
    spaced.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    spaced.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    learned = json.loads(spaced.to_str())["model"]
    vocabulary = {token: i for i, token in enumerate([*PIECES, *bytes_of, *learned["vocab"]])}
    metaspace.model = models.BPE(
        vocab=vocabulary, merges=[tuple(merge) for merge in learned["merges"]], byte_fallback=True, unk_token="<unk>", fuse_unk=True
    )
    metaspace.add_special_tokens(added(PIECES))
    return {"byte-level": byte_level, "metaspace": metaspace}


def fixture() -> None:
    from transformers import PreTrainedTokenizerFast

    draw = random.Random(22)
    tokenizers = train_tokenizers([text(random.Random(i)) for i in range(400)])
    for name, tokenizer in tokenizers.items():
        (FIXTURES / name).mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(FIXTURES / name / "tokenizer.json"), pretty=False)
    cases = []
    for i in range(200):
        name = list(MODELS)[i % len(MODELS)]
        kind, special, system = MODELS[name]
        template = (TEMPLATES / f"{name}.jinja").read_text()
        with_tools = name == "qwen2.5" and i % 12 == 2
        messages = called(draw) if with_tools else conversation(draw, system)
        tools = TOOLS if with_tools else None
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizers[kind], **special)
        ids = tokenizer.apply_chat_template(messages, tools=tools, chat_template=template, return_dict=True)["input_ids"]
        learned = tokenizer.apply_chat_template(
            messages, tools=tools, chat_template=marked(name, template), return_dict=True, return_assistant_tokens_mask=True
        )
        assert ids == learned["input_ids"], f"{name}: the marks change the text"
        mask = learned["assistant_masks"]
        spans = [k for k in range(len(mask)) if mask[k] != (mask[k - 1] if k else 0)] + [len(mask)] * (mask[-1] == 1)
        prompt = tokenizer.apply_chat_template(
            messages[:-1], tools=tools, chat_template=template, return_dict=True, add_generation_prompt=True
        )["input_ids"]
        cases.append({
            "template": name, "messages": messages, **({"tools": tools} if tools else {}), "ids": ids,
            "learned": [spans[k : k + 2] for k in range(0, len(spans), 2)], "prompt": len(prompt),
            "promptIsBeginning": ids[: len(prompt)] == prompt,
        })
    models = {name: {"tokenizer": kind, "tokens": tokens} for name, (kind, tokens, _) in MODELS.items()}
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (FIXTURES / "chats.json").write_text(f'{{"models": {json.dumps(models)}, "cases": [\n{lines}\n]}}\n')


def write_model(folder: Path) -> None:
    """The oracle's LLaMA with a tokenizer of letters and no chat template of its own."""
    shutil.copytree(LLAMA, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 256}))
    special = ["[PAD]", "[UNK]", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|im_start|>"]
    letters = [*"abcdefghijklmnopqrstuvwxyz \n.?!-:0123456789<|_>"]
    added = [
        {"id": i, "content": token, "special": True, "normalized": False, "single_word": False, "lstrip": False, "rstrip": False}
        for i, token in enumerate(special)
    ]
    vocabulary = {token: i for i, token in enumerate([*special, *letters])}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Fuse"}, "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "[UNK]"},
    }))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def diffora(*args: object) -> None:
    subprocess.run(["node", ROOT / "dist" / "cli" / "main.js", *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def check(folder: Path) -> int:
    import torch
    from interop import Checks, read_lines
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder / "base")
    template = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    (folder / "own.jinja").write_text(template)
    asked = [[{"role": "user", "content": f"say {'abc'[i % 3]}{' please' * (i % 2)}"}] for i in range(12)]
    chats = [[*turns, {"role": "assistant", "content": "abc"[i % 3] * 3}] for i, turns in enumerate(asked)]
    (folder / "chats.jsonl").write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in chats))
    (folder / "asked.jsonl").write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in asked))
    diffora("train", "--model", folder / "base", "--task", folder / "chats.jsonl", "--method", "diffora", "--rank", 8, "--epochs", 60, "--lr", 4e-2,
            "--batch-size", 6, "--threads", 1, "--chat-template", folder / "own.jinja", "--output", folder / "run", "--overwrite")
    diffora("predict", "--adapter", folder / "run", "--input", folder / "asked.jsonl", "--output", folder / "predicted.jsonl", "--overwrite")
    diffora("merge", "--adapter", folder / "run", "--output", folder / "merged", "--overwrite")
    (folder / "texts").write_text("".join(turns[0]["content"] + "\n" for turns in asked))
    diffora("generate", "--adapter", folder / "run", "--chat", "--input", folder / "texts", "--output", folder / "written.jsonl", "--overwrite")

    checks, expected = Checks(), [one["text"] for one in read_lines(folder / "predicted.jsonl")]
    checks.that(len(set(expected)) > 1, "there are answers to compare", ", ".join(sorted(set(expected))))
    written = [one["text"] for one in read_lines(folder / "written.jsonl")]
    checks.that([one.strip() for one in written] == expected, "generate --chat answers as predict does")
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    models = {
        "PEFT": (PeftModel.from_pretrained(base, folder / "run" / "adapter").eval(), folder / "run" / "adapter"),
        "transformers, merged": (AutoModelForCausalLM.from_pretrained(folder / "merged").eval(), folder / "merged"),
    }
    for name, (model, place) in models.items():
        tokenizer = AutoTokenizer.from_pretrained(place)
        checks.that(tokenizer.chat_template == template, f"{name}: the template lies beside the model")
        given = []
        for turns in asked:
            prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
            with torch.no_grad():
                ids = model.generate(**prompt, max_new_tokens=32, do_sample=False)[0, prompt["input_ids"].shape[1] :]
            given.append(tokenizer.decode(ids, skip_special_tokens=True).strip())
        checks.that(given == expected, f"{name}: the same greedy answers", f"{len(given)} chats")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(fixture() if sys.argv[1] == "--fixture" else check(Path(sys.argv[1])))
