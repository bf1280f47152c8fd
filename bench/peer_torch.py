"""The PyTorch + PEFT side of `npm run bench:peer`: one process that trains on request and answers with step times.

    python bench/peer_torch.py --preset minilm [--model DIR] [--threads 2]

It prints one line of JSON when it is ready (`{"ready": true, ...}`), then answers each line of its input:

    step N   trains N steps (forward, backward, AdamW, zero_grad)   {"seconds": [...], "loss": last}
    quit     ends                                                   {"peakRssBytes": ...}

Only what a training loop does is timed; the batch is made once, at the start, with a full attention mask.
"""

import argparse
import json
import os
import resource
import sys
import time

PRESETS = {
    "minilm": {
        "modelType": "bert",
        "extra": {},
        "hiddenSize": 384,
        "layers": 6,
        "heads": 12,
        "intermediateSize": 1536,
        "vocabSize": 30522,
        "maxPositions": 512,
        "batch": 16,
        "sequence": 32,
        "rank": 8,
        "alpha": 16,
        "targets": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"],
    },
    "bert-base": {
        "modelType": "bert",
        "extra": {},
        "hiddenSize": 768,
        "layers": 12,
        "heads": 12,
        "intermediateSize": 3072,
        "vocabSize": 30522,
        "maxPositions": 512,
        "batch": 8,
        "sequence": 128,
        "rank": 8,
        "alpha": 16,
        "targets": ["query", "value"],
    },
    "deberta-v3-base": {
        "modelType": "deberta-v2",
        # The published config.json; embeddings are not trained, so their number does not matter.
        "extra": {
            "relative_attention": True,
            "position_buckets": 256,
            "max_relative_positions": -1,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "layer_norm_eps": 1e-7,
            "position_biased_input": False,
            "type_vocab_size": 0,
            "pooler_dropout": 0,
            "pooler_hidden_act": "gelu",
        },
        "hiddenSize": 768,
        "layers": 12,
        "heads": 12,
        "intermediateSize": 3072,
        "vocabSize": 30522,
        "maxPositions": 512,
        "batch": 8,
        "sequence": 128,
        "rank": 8,
        "alpha": 16,
        "targets": ["query_proj", "value_proj"],
    },
}

MODEL_FIELDS = {
    "hiddenSize": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediateSize": "intermediate_size",
    "vocabSize": "vocab_size",
    "maxPositions": "max_position_embeddings",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="minilm")
    parser.add_argument("--config", default="{}", help="JSON whose keys replace the preset's, for example '{\"batch\": 4}'")
    parser.add_argument("--model", help="folder of the weights (default: random weights of the preset's shape)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.1, help="of hidden states and attention")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--labels", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def shape_of(options: argparse.Namespace) -> dict:
    """The preset with `--config` over it. A model's own shape is not to be changed: its weights would not fit."""
    replaced = json.loads(options.config)
    preset = PRESETS[options.preset]
    known = {key: value for key, value in preset.items() if not (options.model and key in MODEL_FIELDS)}
    unknown = set(replaced) - set(known)
    if unknown:
        raise SystemExit(f"--config has unusable keys {sorted(unknown)}; usable here are {sorted(known)}")
    return preset | replaced


def build(options: argparse.Namespace, shape: dict):
    """The adapted model in train mode, in float32."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoConfig, AutoModelForSequenceClassification

    rates = {"hidden_dropout_prob": options.dropout, "attention_probs_dropout_prob": options.dropout}
    # DeBERTa has its own attention alone.
    chosen = {} if shape["modelType"] == "deberta-v2" else {"attn_implementation": options.attention}
    if options.model:
        model = AutoModelForSequenceClassification.from_pretrained(
            options.model, num_labels=options.labels, dtype="float32", **chosen, **rates
        )
    else:
        sizes = {name: shape[key] for key, name in MODEL_FIELDS.items()}
        config = AutoConfig.for_model(shape["modelType"], **sizes, **shape["extra"], num_labels=options.labels, **rates)
        model = AutoModelForSequenceClassification.from_config(config, **chosen).float()
    lora = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=shape["rank"],
        lora_alpha=shape["alpha"],
        lora_dropout=0.0,
        target_modules=list(shape["targets"]),
    )
    return get_peft_model(model, lora).train()


def peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    options = parse()
    # Set before PyTorch is loaded: its OpenMP pool is made once.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    import peft
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    shape = shape_of(options)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = build(options, shape)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.lr)
    ids = torch.randint(5, model.config.vocab_size, [shape["batch"], shape["sequence"]])
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": torch.zeros_like(ids),
        "labels": torch.randint(0, options.labels, [shape["batch"]]),
    }

    def step() -> tuple[float, float]:
        start = time.perf_counter()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.perf_counter() - start, loss.item()

    def answer(message: dict) -> None:
        print(json.dumps(message), flush=True)

    answer(
        {
            "ready": True,
            "versions": {
                "python": sys.version.split()[0],
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "peft": peft.__version__,
            },
            "preset": options.preset,
            "shape": shape | {key: getattr(model.config, name) for key, name in MODEL_FIELDS.items()},
            "threads": torch.get_num_threads(),
            "attention": model.config._attn_implementation,
            "dropout": model.config.hidden_dropout_prob,
            "trainableParameters": sum(parameter.numel() for parameter in trained),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
    )
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words[0] == "step" and len(words) == 2 and words[1].isdigit():
            runs = [step() for _ in range(int(words[1]))]
            answer({"seconds": [seconds for seconds, _ in runs], "loss": runs[-1][1] if runs else None})
        elif words == ["quit"]:
            break
        else:
            answer({"error": f"unknown request {line.strip()!r}: expected `step N` or `quit`"})
    answer({"peakRssBytes": peak_memory()})


if __name__ == "__main__":
    main()
