"""Makes test/tokenize/fixtures/offsets.json: where the fast tokenizers of transformers place the tokens of XQuAD's contexts.

    python3 test/oracle/offsets_fixture.py SHARED

A digest for each tokenizer over all 240 contexts, and the offsets of a few. Positions are UTF-16, as JavaScript counts; white space at the
start of a token is left out, as RoBERTa's tokenizer does and GPT-2's does not.
"""

import hashlib
import json
import sys
from pathlib import Path

import transformers
from transformers import DebertaV2TokenizerFast, PreTrainedTokenizerFast, RobertaTokenizerFast

SHARED = Path(sys.argv[1])
OUTPUT = Path(__file__).resolve().parent.parent / "tokenize" / "fixtures" / "offsets.json"
MODELS = SHARED / "models"
HARD = [
    "The naïve café owner paid $1,200.50 (≈ €1.1k) — in São Paulo’s “old town” in 1995–1996.",
    "  Two  spaces,\ttab,\nnewline  and 東京 or 😀 emoji; e-mail: a.b@c.org ##odd## ½ Ⅷ ﬁn ",
]


def tokenizers():
    return {
        "bert_uncased_tokenizer": PreTrainedTokenizerFast(
            tokenizer_file=str(MODELS / "bert_uncased_tokenizer" / "tokenizer.json")
        ),
        "gpt2_tokenizer": PreTrainedTokenizerFast(tokenizer_file=str(MODELS / "gpt2_tokenizer" / "tokenizer.json")),
        "roberta_tokenizer": RobertaTokenizerFast(
            vocab=str(MODELS / "roberta_tokenizer" / "vocab.json"), merges=str(MODELS / "roberta_tokenizer" / "merges.txt")
        ),
        "deberta_v3_tokenizer": DebertaV2TokenizerFast.from_pretrained(str(MODELS / "deberta_v3_tokenizer")),
    }


def offsets(tokenizer, text: str) -> list[list[int]]:
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    found = []
    for start, end in backend.encode(text, add_special_tokens=False).offsets:
        while start < end and text[start].isspace():
            start += 1
        found.append([len(text[:at].encode("utf-16-le")) // 2 for at in (start, end)])
    return found


def main() -> None:
    data = json.loads((SHARED / "data" / "xquad" / "xquad.en.json").read_text())["data"]
    contexts = [paragraph["context"] for article in data for paragraph in article["paragraphs"]]
    result = {"transformers": transformers.__version__, "hard": HARD, "tokenizers": {}}
    for name, tokenizer in tokenizers().items():
        all_of = [offsets(tokenizer, context) for context in contexts]
        text = json.dumps(all_of, separators=(",", ":"))
        result["tokenizers"][name] = {
            "contexts": len(contexts),
            "tokens": sum(map(len, all_of)),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "hard": [offsets(tokenizer, one) for one in HARD],
        }
        if len(sys.argv) > 2:
            Path(sys.argv[2], f"{name}.json").write_text(text)
    OUTPUT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


main()
