"""The PyTorch + PEFT side of `npm run bench:peer`: one process that trains on request and answers with step times.

    python bench/peer_torch.py --preset minilm [--model DIR] [--threads 2] [--device cuda --precision tf32]

It prints one line of JSON when it is ready (`{"ready": true, ...}`), then answers each line of its input:

    step N   trains N steps (forward, backward, AdamW, zero_grad)   {"seconds": [...], "loss": last}
    quit     ends                                                   {"peakRssBytes": ...}

Only what a training loop does is timed; the batch is made once, at the start. Texts of classes and chats have no padding; those of pairs
are padded column by column, as sentence-transformers does.
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

PRESETS["embedding"] = PRESETS["minilm"] | {
    # Pairs of a question and its passage; each column is padded to its own longest text.
    "objective": "vectors",
    "batch": 32,
    "sequence": 16,
    "passage": 64,
}
# Without targets everything is trained, and there is no adapter.
PRESETS["full"] = PRESETS["minilm"] | {"targets": []}
PRESETS["chat"] = {
    # SmolLM2-135M, whose sizes are those of its folder: without one there is no such preset.
    "modelType": "llama",
    "objective": "answers",
    "batch": 2,
    "sequence": 192,
    "learned": 96,
    "rank": 8,
    "alpha": 16,
    "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
# What is learned (classes of sequences, vectors of pairs, or the last tokens of a conversation), tokens of the second column of
# pairs, and tokens of each sequence that are learned.
COMMON = {"extra": {}, "objective": "classes", "passage": 0, "learned": 0}

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
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32", help="bf16: by autocast")
    parser.add_argument("--labels", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def shape_of(options: argparse.Namespace) -> dict:
    """The preset with `--config` over it. A model's own shape is not to be changed: its weights would not fit."""
    replaced = json.loads(options.config)
    preset = COMMON | PRESETS[options.preset]
    known = {key: value for key, value in preset.items() if not (options.model and key in MODEL_FIELDS)}
    unknown = set(replaced) - set(known)
    if unknown:
        raise SystemExit(f"--config has unusable keys {sorted(unknown)}; usable here are {sorted(known)}")
    return preset | replaced


def build(options: argparse.Namespace, shape: dict):
    """The adapted model in train mode, in float32."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

    kinds = {
        "classes": (AutoModelForSequenceClassification, TaskType.SEQ_CLS, {"num_labels": options.labels}),
        "vectors": (AutoModel, TaskType.FEATURE_EXTRACTION, {}),
        "answers": (AutoModelForCausalLM, TaskType.CAUSAL_LM, {}),
    }
    kind, task_type, head = kinds[shape["objective"]]
    rates = {"hidden_dropout_prob": options.dropout, "attention_probs_dropout_prob": options.dropout}
    if shape["modelType"] == "llama":
        rates = {"attention_dropout": options.dropout}
    # DeBERTa has its own attention alone.
    chosen = {} if shape["modelType"] == "deberta-v2" else {"attn_implementation": options.attention}
    if options.model:
        model = kind.from_pretrained(options.model, dtype="float32", **head, **chosen, **rates)
    else:
        sizes = {name: shape[key] for key, name in MODEL_FIELDS.items()}
        config = AutoConfig.for_model(shape["modelType"], **sizes, **shape["extra"], **head, **rates)
        model = kind.from_config(config, **chosen).float()
    if not shape["targets"]:
        return model.train()
    lora = LoraConfig(
        task_type=task_type,
        r=shape["rank"],
        lora_alpha=shape["alpha"],
        lora_dropout=0.0,
        target_modules=list(shape["targets"]),
    )
    return get_peft_model(model, lora).train()


def loss_of(model, options: argparse.Namespace, shape: dict):
    """The loss of one batch, which is made once."""
    import torch

    def placed(batch: dict) -> dict:
        return {name: tensor.to(options.device) for name, tensor in batch.items()}

    rows, vocabulary = shape["batch"], model.config.vocab_size

    def drawn(longest: int, shortest: int) -> dict:
        """Random tokens; lengths go round from the longest down. As `lengthsOf` of peer_ours.ts has them."""
        lengths = torch.tensor([longest - (7 * row) % (longest - shortest + 1) for row in range(rows)])
        attention = (torch.arange(longest) < lengths[:, None]).long()
        return {"input_ids": torch.randint(5, vocabulary, [rows, longest]) * attention, "attention_mask": attention}

    if shape["objective"] == "classes":
        batch = drawn(shape["sequence"], shape["sequence"])
        batch["token_type_ids"] = torch.zeros_like(batch["input_ids"])
        batch["labels"] = torch.randint(0, options.labels, [rows])
        batch = placed(batch)
        return lambda: model(**batch).loss
    if shape["objective"] == "answers":
        batch = drawn(shape["sequence"], shape["sequence"])
        learned = torch.arange(shape["sequence"]) >= shape["sequence"] - shape["learned"]
        batch["labels"] = torch.where(learned, batch["input_ids"], -100)
        batch = placed(batch)
        return lambda: model(**batch, use_cache=False).loss
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    columns = [placed(drawn(longest, longest // 2)) for longest in (shape["sequence"], shape["passage"])]
    ranking = MultipleNegativesRankingLoss(None)

    def vectors(batch: dict):
        mask = batch["attention_mask"][..., None].float()
        states = model(**batch).last_hidden_state
        return (states * mask).sum(1) / mask.sum(1)

    return lambda: ranking.compute_loss_from_embeddings([vectors(batch) for batch in columns], None)


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
    if "hiddenSize" not in shape and not options.model:
        raise SystemExit(f"--preset {options.preset} needs --model: it has no sizes of its own")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
    model = build(options, shape).to(options.device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # One pass over all tensors, as transformers' Trainer has it: of adapters, whose tensors are small, the plain one is timed.
    optimizer = torch.optim.AdamW(trained, lr=options.lr, fused=not shape["targets"])
    loss_now = loss_of(model, options, shape)

    def wait() -> None:
        if options.device == "cuda":
            torch.cuda.synchronize()

    def step() -> tuple[float, float]:
        wait()
        start = time.perf_counter()
        with torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16"):
            loss = loss_now()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        wait()
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
            "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
            "attention": model.config._attn_implementation,
            "dropout": getattr(model.config, "hidden_dropout_prob", getattr(model.config, "attention_dropout", 0)),
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
