"""What transformers' pipelines answer with checkpoints' own heads, and with PEFT's adapters on such checkpoints.

A case is a checkpoint, changes of its config.json, perhaps an adapter, a text, and the pipeline's answer. Sequence
classifiers of three labels are tiny-bert; other heads have checkpoints of their own, with tiny-bert's tokenizer.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    pipeline,
)

import tiny_bert
from families import draw
from fixture_files import VERSIONS, dump

SEED = 20261127
TEXT, PAIR = "A very good film, the best of the day!", "never read this dull book"
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
QUESTIONS = [(TEXT, PAIR), (PAIR, TEXT), ("who read it", TEXT), ("what was not great, but good", "the film"), ("why", PAIR)]
TAGS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
NAMES = {0: "dull", 1: "good", 2: "great"}
SMALL_BERT = {
    "vocab_size": 200,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
}
LLAMA = {
    "vocab_size": 200,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
GPT2 = {"vocab_size": 200, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def checkpoints():
    yield "bert-one", BertForSequenceClassification(BertConfig(**SMALL_BERT, num_labels=1))
    yield "bert-tags", BertForTokenClassification(BertConfig(**SMALL_BERT, id2label=TAGS))
    yield "bert-span", BertForQuestionAnswering(BertConfig(**SMALL_BERT))
    yield "llama", LlamaForSequenceClassification(LlamaConfig(**LLAMA, num_labels=3))
    yield "gpt2", GPT2ForSequenceClassification(GPT2Config(**GPT2, num_labels=3))


def changed(folder: Path, target: Path, words, changes: dict) -> Path:
    """A copy of a checkpoint with other keys in its config.json."""
    shutil.copytree(folder, target)
    path = target / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    words.save_pretrained(target)
    return target


def classified(model, words, **inputs) -> list[dict]:
    """Every label with its score, in the order of the outputs."""
    answer = pipeline("text-classification", model=model, tokenizer=words)(inputs, top_k=None)
    return sorted(answer, key=lambda one: model.config.label2id.get(one["label"], one["label"]))


def make(folder: Path) -> None:
    own = folder / "own-heads"
    shutil.rmtree(own, ignore_errors=True)
    words = tiny_bert.tokenizer()
    for i, (name, model) in enumerate(checkpoints()):
        draw(model.eval(), SEED + i)
        model.save_pretrained(own / name)
        (own / name / "generation_config.json").unlink(missing_ok=True)
    adapter = own / "llama-adapter"
    base = LlamaForSequenceClassification.from_pretrained(own / "llama")
    peft = get_peft_model(base, LoraConfig(task_type=TaskType.SEQ_CLS, r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"]))
    for i, (name, parameter) in enumerate(sorted(tiny_bert.trainable(peft).items())):
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(SEED + i)) * 0.3)
    peft.peft_config["default"].base_model_name_or_path = "llama"
    peft.save_pretrained(adapter)
    (adapter / "README.md").unlink(missing_ok=True)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"] = sorted(config["target_modules"])
    (adapter / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

    several = "multi_label_classification"
    three = {"id2label": NAMES, "label2id": {name: i for i, name in NAMES.items()}}
    sequences = [
        ("tiny-bert", {}, None),
        ("tiny-bert", three | {"problem_type": "single_label_classification"}, None),
        ("tiny-bert", three | {"problem_type": several}, None),
        ("tiny-bert", three | {"problem_type": "regression"}, None),
        ("own-heads/bert-one", {}, None),
        ("own-heads/bert-one", {"problem_type": "regression"}, None),
        ("own-heads/bert-one", {"problem_type": several}, None),
        ("own-heads/llama", {}, None),
        ("own-heads/llama", three | {"problem_type": several}, None),
        ("own-heads/gpt2", {}, None),
        ("tiny-bert", three, "tiny-bert-adapter"),
        ("tiny-bert", three | {"problem_type": several}, "tiny-bert-adapter"),
        ("own-heads/llama", {}, "own-heads/llama-adapter"),
        ("own-heads/llama", three | {"problem_type": several}, "own-heads/llama-adapter"),
    ]
    cases = []
    with tempfile.TemporaryDirectory() as temporary:
        for i, (checkpoint, changes, adapter) in enumerate(sequences):
            path = changed(folder / checkpoint, Path(temporary) / str(i), words, changes)
            model = AutoModelForSequenceClassification.from_pretrained(path).eval()
            # GPT-2 takes token types, where it gets some, for tokens; its own tokenizer gives none.
            words.model_input_names = INPUTS[:2] if "gpt2" in checkpoint else INPUTS
            if adapter is not None:
                # The pipeline asks for the class of a model that it knows.
                model = PeftModel.from_pretrained(model, folder / adapter).merge_and_unload().eval()
            for inputs in ({"text": TEXT}, {"text": TEXT, "text_pair": PAIR}):
                logits = model(**words(**inputs, return_tensors="pt")).logits[0]
                cases.append(
                    {
                        "checkpoint": checkpoint,
                        "config": changes,
                        "adapter": adapter,
                        "text": inputs["text"],
                        "pair": inputs.get("text_pair"),
                        "logits": logits.tolist(),
                        "pipeline": classified(model, words, **inputs),
                    }
                )
        words.model_input_names = INPUTS
        path = changed(own / "bert-tags", Path(temporary) / "tags", words, {})
        model = AutoModelForTokenClassification.from_pretrained(path).eval()
        find = pipeline("token-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(path), aggregation_strategy="first")
        entities = [{"text": text, "pipeline": [{**one, "score": float(one["score"])} for one in find(text)]} for text in (TEXT, PAIR)]
        path = changed(own / "bert-span", Path(temporary) / "span", words, {})
        spans = [spans_of(BertForQuestionAnswering.from_pretrained(path).eval(), words, *pair) for pair in QUESTIONS]
    (folder / "own-heads.json").write_text(
        dump({"versions": VERSIONS, "sequences": cases, "entities": entities, "spans": spans}) + "\n"
    )
    for path in own.rglob("*.safetensors"):
        path.chmod(0o644)


def spans_of(model, words, question: str, passage: str) -> dict:
    """The likeliest span of the passage, at most 30 tokens: transformers 5 has no pipeline of its own for it any more."""
    encoded = words(question, passage, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        output = model(**encoded)
    inside = [i for i, part in enumerate(encoded.sequence_ids(0)) if part == 1]
    start, end = output.start_logits[0], output.end_logits[0]
    score, first, last = max(
        (float(start[i] + end[j]), i, j) for i in inside for j in inside if i <= j < i + 30
    )
    begins, ends = offsets[first][0], offsets[last][1]
    everywhere = max((float(start[i] + end[j]), i, j) for i in range(len(start)) for j in range(i, len(end)))
    return {
        "question": question,
        "passage": passage,
        "answer": passage[begins:ends],
        "start": begins,
        "end": ends,
        "score": score,
        "outsideIsLikelier": everywhere[1] not in inside or everywhere[2] not in inside,
    }
