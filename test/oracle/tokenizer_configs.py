"""Makes test/tokenize/fixtures/configs.json: transformers' ids where tokenizer_config.json says something else than tokenizer.json.

    python3 test/oracle/tokenizer_configs.py

`bert` is test/fixtures/tiny-tokenizer; `gpt2` the vocabulary and merges of test/tokenize/fixtures/gguf.json as GPT-2's tokenizer.json,
`files` as its vocab.json and merges.txt.
"""

import json
import shutil
import tempfile
from pathlib import Path

import transformers
from transformers import AutoTokenizer, GPT2Tokenizer

TEST = Path(__file__).resolve().parent.parent
FIXTURES = TEST / "tokenize" / "fixtures"
TEXTS = ["The caf\u00e9 IS \u4f60\u597d good", "the man", " two  words\n12345", "x<|end|> y"]

BERT = {"tokenizer_class": "BertTokenizer", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
GPT2 = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|begin|>", "eos_token": "<|end|>", "unk_token": "<|end|>"}
PLAIN = GPT2 | {"tokenizer_class": "PreTrainedTokenizerFast"}

CASES = [
    ("bert", BERT | {"do_lower_case": True}),
    ("bert", BERT | {"do_lower_case": False}),
    ("bert", BERT | {"do_lower_case": False, "strip_accents": True}),
    ("bert", BERT | {"do_lower_case": True, "strip_accents": False}),
    ("bert", BERT | {"tokenize_chinese_chars": False}),
    ("bert", BERT | {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False}),
    ("gpt2", GPT2),
    ("gpt2", GPT2 | {"add_prefix_space": True}),
    ("gpt2", GPT2 | {"add_bos_token": True}),
    ("gpt2", GPT2 | {"add_eos_token": True}),
    ("gpt2", GPT2 | {"add_bos_token": True, "add_eos_token": True, "add_prefix_space": True}),
    ("gpt2", GPT2 | {"add_bos_token": False, "add_eos_token": False}),
    ("files", GPT2 | {"add_bos_token": True}),
    ("files", GPT2 | {"add_bos_token": True, "add_eos_token": True, "add_prefix_space": True}),
    ("files", GPT2),
    ("gpt2", PLAIN | {"add_bos_token": True, "add_prefix_space": True}),
]


def folders(root: Path) -> dict[str, Path]:
    fields = json.loads((FIXTURES / "gguf.json").read_text())["kinds"][0]["fields"]
    vocab = {token: index for index, token in enumerate(fields["tokens"])}
    merges = [tuple(merge.split(" ")) for merge in fields["merges"]]
    made = {name: root / name for name in ("bert", "gpt2", "files")}
    shutil.copytree(TEST / "fixtures" / "tiny-tokenizer", made["bert"])
    made["files"].mkdir()
    (made["files"] / "vocab.json").write_text(json.dumps(vocab))
    (made["files"] / "merges.txt").write_text("#version: 0.2\n" + "\n".join(fields["merges"]) + "\n")
    made["gpt2"].mkdir()
    GPT2Tokenizer(vocab=vocab, merges=merges, unk_token="<|end|>", bos_token="<|begin|>", eos_token="<|end|>").backend_tokenizer.save(
        str(made["gpt2"] / "tokenizer.json")
    )
    return made


def main() -> None:
    cases = []
    with tempfile.TemporaryDirectory() as scratch:
        made = folders(Path(scratch))
        for base, config in CASES:
            (made[base] / "tokenizer_config.json").write_text(json.dumps(config))
            (made[base] / "config.json").write_text(json.dumps({"model_type": "bert" if base == "bert" else "gpt2"}))
            tokenizer = AutoTokenizer.from_pretrained(made[base])
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()
            ids = [tokenizer(text, padding=False)["input_ids"] for text in TEXTS]
            cases.append({"base": base, "config": config, "ids": ids})
    result = {"transformers": transformers.__version__, "texts": TEXTS, "cases": cases}
    (FIXTURES / "configs.json").write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
