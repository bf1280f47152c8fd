"""Makes test/tokenize/fixtures/gguf.json: what a GGUF file says of its tokenizer, and transformers' ids for odd texts.

    python3 test/oracle/gguf_tokenizers.py

The merges are learned without any splitting, so that they join what every pre-tokenizer keeps apart: a text that is cut
otherwise gets other ids. Where transformers has no pattern for a name (it takes GPT-2's), the ids are those of the
patterns of llama.cpp (src/llama-vocab.cpp), run by the tokenizers library.
"""

import json
import tempfile
from pathlib import Path

import gguf
import numpy
import sentencepiece
import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer
from transformers.tokenization_utils_base import generate_merges

from tokenizer_fixture import ODD

OUTPUT = Path(__file__).resolve().parent.parent / "tokenize" / "fixtures" / "gguf.json"

TEXTS = [
    *[text for text in ODD if len(text) < 200],
    "It costs 12345 or 1 234.5; 2024-11-27 at 10:45.",
    " 12345\n\n67",
    "one\n\n\ntwo \n three\t\tfour  \r\n\r\nfive   ",
    "WE'RE I'll they'Ve don'T o'clock",
    "camelCaseWords HTTPServer iPhone ÀÉÎ naïveté Ünï",
    "if (x >= 10) {\n\treturn a[i] / b; // ok\n}\n",
    "中文 and 日本語のテキスト、한국어。１２３",
    "½ cup, x² + y³ = ٣٤٥",
    "a \ufeffb c\u0085d \u0085e\u00a0f\u2003g\u200bh",
    "e\u0301galite\u0301 n\u0303 क्षत्रिय",
    "<|begin|>hello<think>x</think><|end|> bye",
    "...!!! -- (a)b[c]{d} $5 +3 <=> ~|`^",
    "say<s>hello</s> the cat<unk>the  cat",
]

SPECIAL = ["<|begin|>", "<|end|>", "<|pad|>"]
USER = ["<think>", "</think>"]

# Names that transformers 5.24 knows, and GPT-2's.
KNOWN = ["gpt-2", "default", "llama-bpe", "qwen2", "qwen35", "tekken", "gpt-4o", "smaug-bpe", "pixtral", "deepseek-r1-qwen"]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CJK = "[一-龥ࠀ-一가-퟿]+"
LLAMA_CPP = {
    "smollm": [r"\p{N}", GPT2],
    "chatglm-bpe": [LLAMA3],
    "seed-coder": [
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}"
        r"| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    "deepseek-v3": [
        r"\p{N}{1,3}",
        "[一-龥぀-ゟ゠-ヿ]+",
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ],
}


def vocabulary() -> tuple[list[str], list[str]]:
    """Tokens and merges of byte-level BPE that knows no words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return [*tokens, *SPECIAL, *USER], [" ".join(pair) for pair in model["merges"]]


def write(path: Path, fields: dict) -> None:
    """The fields as a GGUF file of one tiny tensor."""
    writer = gguf.GGUFWriter(path, fields["architecture"])
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(fields["tokens"]))
    writer.add_tokenizer_model(fields["model"])
    writer.add_token_list(fields["tokens"])
    writer.add_token_types(fields["tokenTypes"])
    if "merges" in fields:
        writer.add_token_merges(fields["merges"])
    if "scores" in fields:
        writer.add_token_scores(fields["scores"])
    named = {
        "pre": writer.add_tokenizer_pre,
        "bosTokenId": writer.add_bos_token_id,
        "eosTokenId": writer.add_eos_token_id,
        "unknownTokenId": writer.add_unk_token_id,
        "paddingTokenId": writer.add_pad_token_id,
        "addBosToken": writer.add_add_bos_token,
        "addEosToken": writer.add_add_eos_token,
        "addSpacePrefix": writer.add_add_space_prefix,
    }
    for name, add in named.items():
        if name in fields:
            add(fields[name])
    writer.add_tensor("token_embd.weight", numpy.zeros((len(fields["tokens"]), 8), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ids_of(fields: dict) -> list[list[int]]:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "tiny.gguf", fields)
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="tiny.gguf")
        return [tokenizer(text)["input_ids"] for text in TEXTS]


def ids_by_patterns(fields: dict, patterns: list[str]) -> list[list[int]]:
    """What the tokenizers library makes of the patterns, special tokens found first."""
    vocab = {token: index for index, token in enumerate(fields["tokens"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(merge.split(" ")) for merge in fields["merges"]]))
    splits = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(USER)
    return [tokenizer.encode(text).ids for text in TEXTS]


def byte_level_cases(base: dict) -> list[dict]:
    """Cases of each name, and of what the file says of the ends of texts."""
    begin, end = (base["tokens"].index(token) for token in SPECIAL[:2])
    ends = {"bosTokenId": begin, "eosTokenId": end, "paddingTokenId": end + 1}
    plain = {**ends, "addBosToken": False}
    cases = [{"pre": pre, **plain} for pre in KNOWN]
    cases += [
        {"pre": "qwen2", **ends},
        {"pre": "qwen2", **ends, "addBosToken": True},
        {"pre": "qwen2", **ends, "addBosToken": True, "addEosToken": True},
        {"pre": "llama-bpe", **ends, "addBosToken": True, "addSpacePrefix": False},
    ]
    found = [{"fields": case, "by": "transformers", "ids": ids_of({**base, **case})} for case in cases]
    return found + [
        {"fields": {"pre": pre, **plain}, "by": "patterns", "ids": ids_by_patterns(base, patterns)}
        for pre, patterns in LLAMA_CPP.items()
    ]


def sentencepiece_cases(base: dict) -> list[dict]:
    ends = {"bosTokenId": 1, "eosTokenId": 2, "unknownTokenId": 0}
    cases = [
        ends,
        {**ends, "addBosToken": False},
        {**ends, "addBosToken": True, "addEosToken": True, "addSpacePrefix": True},
        {**ends, "pre": "default"},
        {**ends, "scores": [-(i * 7919 % 460) for i in range(len(base["tokens"]))]},
        {**ends, "merges": [" ".join(pair) for pair in merges_of(base)[::3]]},
    ]
    found = [{"fields": case, "by": "transformers", "ids": ids_of({**base, **case})} for case in cases]
    # transformers leaves the key aside where it reads a GGUF file; its class has the setting.
    without = {**ends, "addBosToken": False, "addSpacePrefix": False}
    return [*found, {"fields": without, "by": "LlamaTokenizer", "ids": ids_without_prefix(base)}]


def merges_of(base: dict) -> list[tuple[str, str]]:
    vocab = {token: index for index, token in enumerate(base["tokens"])}
    return generate_merges(vocab, dict(zip(base["tokens"], base["scores"])))


def ids_without_prefix(base: dict) -> list[list[int]]:
    vocab = {token: index for index, token in enumerate(base["tokens"])}
    tokenizer = LlamaTokenizer(vocab=vocab, merges=merges_of(base), add_prefix_space=False, add_bos_token=False)
    return [tokenizer(text)["input_ids"] for text in TEXTS]


def sentencepiece_base() -> dict:
    """The small model of tokenizer_files.py, as llama.cpp stores it."""
    model = sentencepiece.SentencePieceProcessor(str(OUTPUT.parent / "sentencepiece" / "bpe.model"))
    ids = range(model.vocab_size())
    kinds = [2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1 for i in ids]
    return {
        "model": "llama",
        "tokens": [model.id_to_piece(i) for i in ids],
        "scores": [model.get_score(i) for i in ids],
        "tokenTypes": kinds,
        "architecture": "llama",
    }


def main() -> None:
    tokens, merges = vocabulary()
    types = [3 if token in SPECIAL else 4 if token in USER else 1 for token in tokens]
    byte_level = {"model": "gpt2", "tokens": tokens, "merges": merges, "tokenTypes": types, "architecture": "qwen2"}
    pieces = sentencepiece_base()
    result = {
        "transformers": transformers.__version__,
        "texts": TEXTS,
        "kinds": [
            {"fields": byte_level, "cases": byte_level_cases(byte_level)},
            {"fields": pieces, "cases": sentencepiece_cases(pieces)},
        ],
    }
    for kind in result["kinds"]:
        del kind["fields"]["architecture"]
    OUTPUT.write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
