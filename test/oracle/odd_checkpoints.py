"""Odd but legal checkpoints: config.json of every family with keys changed by a seeded generator, and the logits that
transformers gives for rows alone. A case is what it takes to make the checkpoint again: config, names, shapes, seed.

    python test/oracle/odd_checkpoints.py --seed 7 --count 400 --output /tmp/odd.json
"""

import argparse
import json
import math
import random
import tempfile
import zlib
from pathlib import Path

import numpy
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForQuestionAnswering
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from config_keys import read_keys
from fixture_files import dump
from odd_values import DECODERS, MODEL_TYPES, base_config, head_types, odd_value, tells

CLASSES = {
    "SEQ_CLS": AutoModelForSequenceClassification,
    "TOKEN_CLS": AutoModelForTokenClassification,
    "QUESTION_ANS": AutoModelForQuestionAnswering,
    "CAUSAL_LM": AutoModelForCausalLM,
}
MOST_PARAMETERS = 600_000
"""Columns of a vocabulary that are kept."""
COLUMNS = 5


def drawn(name: str, shape: list[int], seed: int) -> torch.Tensor:
    """Values that test/models/oddCheckpoint.ts makes as well: an integer hash (MurmurHash3's last step) of name and place."""
    count = math.prod(shape)
    with numpy.errstate(over="ignore"):
        x = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(2654435761) + numpy.uint32(zlib.crc32(name.encode()) ^ seed)
        x ^= x >> numpy.uint32(16)
        x *= numpy.uint32(2246822507)
        x ^= x >> numpy.uint32(13)
        x *= numpy.uint32(3266489909)
        x ^= x >> numpy.uint32(16)
    share = x.astype(numpy.float64) / 2**32 - 0.5
    is_norm = len(shape) == 1 and name.endswith(("weight", "gamma"))
    values = 1 + share * 0.5 if is_norm else share * (0.5 if len(shape) == 1 else 1.0)
    return torch.from_numpy(values.astype(numpy.float32)).reshape(shape)


class Illegal(Exception):
    """transformers does not load it, or does not find all weights."""


def draw_config(rng: random.Random, keys: dict[str, list[str]], model_type: str) -> tuple[dict, list[str]]:
    config = base_config(rng, model_type)
    candidates = sorted(set(keys[model_type]) | set(keys["shared"]))
    changed = []
    telling = [key for key in candidates if tells(key)]
    picked = [*rng.sample(telling, rng.choice([1, 2, 3, 4])), *rng.sample(candidates, rng.choice([0, 1, 2]))]
    if model_type in DECODERS and rng.random() < 0.5:
        picked.append(rng.choice(["rope_parameters", "rope_scaling", "layer_types", "is_causal"]))
    for key in dict.fromkeys(picked):
        if rng.random() < 0.15:
            if config.pop(key, None) is not None:
                changed.append(key)
            continue
        config[key] = odd_value(rng, key, config)
        changed.append(key)
    if rng.random() < 0.3:
        config["my_note"] = "nothing reads this"
    return config, changed


FORMS = ["plain", "plain", "plain", "bare", "old", "output alone", "both", "embeddings alone"]


def respelled(form: str, names: list[str], prefix: str, tied: tuple[str, str] | None) -> dict[str, str]:
    """Names in the file by those of the model, under one of the spellings that transformers reads."""
    if form == "bare":
        return {name: name.removeprefix(prefix) for name in names}
    if form == "old":
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        return {name: next((name.replace(now, then) for now, then in old.items() if now in name), name) for name in names}
    left_out = {"output alone": tied and tied[1], "embeddings alone": tied and tied[0]}.get(form)
    return {name: name for name in names if name != left_out}


def make_case(seed: int, index: int, keys: dict[str, list[str]], folder: Path) -> dict:
    rng = random.Random(f"{seed}/{index}")
    model_type = MODEL_TYPES[index % len(MODEL_TYPES)]
    task_type = rng.choice(head_types(model_type))
    config, changed = draw_config(rng, keys, model_type)
    return {**answered(folder, config, task_type, rng.choice(FORMS), seed + index, rng), "changed": changed}


def answered(folder: Path, config: dict, task_type: str, form: str, seed: int, rng: random.Random, pads: bool = False) -> dict:
    """The case of a config.json, with what transformers gives. `pads`: rows hold the padding id as well."""
    model_type = config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    try:
        parsed = AutoConfig.from_pretrained(folder)
        model = CLASSES[task_type].from_config(parsed)
    except Exception as error:
        raise Illegal(str(error)) from error
    if sum(parameter.numel() for parameter in model.parameters()) > MOST_PARAMETERS:
        raise Illegal("too large")
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    output = next((name for name in shapes if name == "lm_head.weight"), None)
    embeddings = next(name for name in shapes if name.endswith(("embed_tokens.weight", "wte.weight", "word_embeddings.weight")))
    spelled = respelled(form, list(shapes), f"{model.base_model_prefix}.", (output, embeddings) if output else None)
    tensors = {spelled[name]: shapes[name] for name in spelled}
    # A tied output that is stored equals the embeddings, unless the case is that both are there and differ.
    both = output in spelled and embeddings in spelled
    like = {output: embeddings} if both and form != "both" and parsed.tie_word_embeddings else {}
    values = {name: drawn(like.get(name, name), shape, seed) for name, shape in tensors.items()}
    save_file(values, folder / "model.safetensors", {"format": "pt"})
    rows = draw_rows(rng, parsed, model_type, pads)
    answers, steady = answers_of(folder, task_type, rows, model_type)
    return {
        "modelType": model_type,
        "taskType": task_type,
        "seed": seed,
        "changed": [],
        "form": form,
        "config": config,
        "tensors": tensors,
        "like": like,
        "rows": rows,
        "dependsOnBatch": not steady,
        "logits": answers,
    }


def draw_rows(rng: random.Random, config, model_type: str, pads: bool) -> list[dict[str, list[int]]]:
    longest = min(config.max_position_embeddings, 14)
    padding = config.pad_token_id
    if model_type in {"roberta", "xlm-roberta", "camembert"}:
        longest = min(config.max_position_embeddings - (padding if padding is not None else 1) - 1, 14)
    rope = getattr(config, "rope_parameters", None) or {}
    if model_type in DECODERS and rope.get("rope_type") == "dynamic":
        longest = min(int(config.max_position_embeddings * rope["factor"]), 14)
    if longest < 2:
        raise Illegal("no room for a row")
    lengths = [rng.randint(1, longest), rng.randint(1, longest), longest]
    # Models of sequences find their last token by the padding id, which is a difference that docs/models.md names.
    ids = [i for i in range(min(config.vocab_size, 40)) if i != padding]
    types = min(getattr(config, "type_vocab_size", 1) or 1, 2)
    rows = [
        {"ids": [rng.choice(ids) for _ in range(length)], "types": [rng.randrange(types) for _ in range(length)]} for length in lengths
    ]
    for row in rows if pads else []:
        row["ids"][len(row["ids"]) // 2] = padding
    return rows


def answers_of(folder: Path, task_type: str, rows, model_type: str):
    """Logits of each row alone, and whether transformers says the same of it in a batch."""
    try:
        model, info = CLASSES[task_type].from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    except Exception as error:
        raise Illegal(str(error)) from error
    if info["missing_keys"] or info["mismatched_keys"]:
        raise Illegal("weights are missing")
    model.eval()
    # Scalings that grow with a text keep what they have grown to, so that the shortest comes first.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["ids"]))
    alone = [None] * len(rows)
    try:
        for i in order:
            alone[i] = logits_of(model, [rows[i]], model_type)[0]
        if len(rows) > 1 and model.config.pad_token_id is not None:
            together = logits_of(model, rows, model_type)
        else:
            together = None
    except Exception as error:
        raise Illegal(str(error)) from error
    if not all(torch.isfinite(one).all() for one in alone):
        raise Illegal("logits are not finite")
    steady = together is None or all(
        (one - many[: len(one)] if one.ndim == 2 else one - many).abs().max() < 1e-3 for one, many in zip(alone, together)
    )
    return [[float(f"{value:.6g}") for value in one[..., : keep(task_type)].flatten().tolist()] for one in alone], bool(steady)


def keep(task_type: str) -> int | None:
    return COLUMNS if task_type == "CAUSAL_LM" else None


@torch.no_grad()
def logits_of(model, rows, model_type: str) -> list[torch.Tensor]:
    width = max(len(row["ids"]) for row in rows)
    padding = model.config.pad_token_id
    filler = padding if padding is not None and 0 <= padding < model.config.vocab_size else 0
    ids = torch.tensor([row["ids"] + [filler] * (width - len(row["ids"])) for row in rows])
    mask = torch.tensor([[1] * len(row["ids"]) + [0] * (width - len(row["ids"])) for row in rows])
    types = torch.tensor([row["types"] + [0] * (width - len(row["types"])) for row in rows])
    given = {"token_type_ids": types} if getattr(model.config, "type_vocab_size", 0) else {}
    result = model(input_ids=ids, attention_mask=mask, return_dict=True, **given)
    logits = result.logits if "logits" in result else torch.stack([result.start_logits, result.end_logits], -1)
    return [one[: len(row["ids"])] if one.ndim == 2 else one for one, row in zip(logits, rows)]


def make_cases(seed: int, count: int) -> dict:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    keys, cases, illegal = read_keys(), [], 0
    index = 0
    while len(cases) < count:
        with tempfile.TemporaryDirectory() as folder:
            try:
                cases.append(make_case(seed, index, keys, Path(folder)))
            except Illegal:
                illegal += 1
        index += 1
    return {"transformers": transformers.__version__, "illegal": illegal, "cases": cases}


def make(folder: Path) -> None:
    (folder / "odd-checkpoints.json").write_text(dump(make_cases(20250300, 60)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20250300)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.write_text(json.dumps(make_cases(options.seed, options.count)))
