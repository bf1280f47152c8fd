"""The tiny BERT behind the fixtures: its checkpoints, its tokenizer and its PEFT adapter, every weight drawn by name.

Shapes are those that real checkpoints have; only the sizes are small. Layer norms, biases and the padding row of the
embeddings are drawn as well: a weight that is forgotten or taken from its neighbour then changes the logits.
"""

import json
import string
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from fixture_files import normal, seeded

SEED = 20250203
RANK = 4
ALPHA = 8
TARGETS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
CHECKPOINT = "tiny-bert"
BACKBONE = "tiny-bert-backbone"
ADAPTER = "tiny-bert-adapter"
WORDS = (
    "the a an of to and in is it that was for on as with not be at by this from or are his her they you we do no so if "
    "but all out up good bad film book very great dull never ##ing ##ed ##er ##est ##ly ##s ##ness ##ment ##tion un re "
    "one two three man woman day night time work world people market price money new old free call mail list help read "
    "see said say make like know think want more than most some when what who how why where which there here over after"
).split()


def bert_config(labels: int = 3) -> BertConfig:
    return BertConfig(
        vocab_size=200,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=64,
        type_vocab_size=2,
        initializer_range=0.3,
        layer_norm_eps=1e-12,
        num_labels=labels,
        attn_implementation="eager",
    )


def draw(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Sets every parameter, in order of its name, so that the weights do not hang on the library's initialisation."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if name.endswith("LayerNorm.weight"):
                value = normal(generator, parameter.shape, 0.2, 1)
            elif name.endswith("bias"):
                value = normal(generator, parameter.shape, 0.2)
            else:
                value = normal(generator, parameter.shape, 0.3)
            parameter.copy_(value)


def base_model(labels: int = 3) -> BertForSequenceClassification:
    """In float32, dropout 0. With one label (regression) the backbone is the same and only the classifier differs."""
    model = BertForSequenceClassification(bert_config(labels)).float()
    draw(model.bert, seeded(SEED))
    draw(model.classifier, seeded(SEED + 10 + labels))
    return model.eval()


def lora_model(labels: int = 3, zero_b: bool = False) -> PeftModel:
    """The tiny BERT with LoRA on all six kinds of linear module and a trained classifier, in float32."""
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=list(TARGETS), bias="none"
    )
    model = get_peft_model(base_model(labels), config)
    generator = seeded(SEED + 20)
    with torch.no_grad():
        for name, parameter in sorted(trainable(model).items()):
            if name.endswith(".lora_A"):
                parameter.copy_(normal(generator, parameter.shape, 0.3))
            elif name.endswith(".lora_B"):
                value = normal(generator, parameter.shape, 0.2)
                parameter.copy_(torch.zeros_like(value) if zero_b else value)
    return model


def trainable(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    """Trained parameters by this project's names: `<module path>.lora_A`, `.lora_B`, `classifier.weight`, `.bias`."""
    named = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            name = name.removeprefix("base_model.model.")
            named[name.replace(".modules_to_save.default", "").replace(".default.weight", "")] = parameter
    return named


def tokenizer() -> PreTrainedTokenizerFast:
    """WordPiece over 200 entries, normalised and post-processed as BERT's uncased tokenizer does."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = list(string.ascii_lowercase)
    pieces = special + list(".,!?'-") + letters + [f"##{letter}" for letter in letters] + WORDS
    vocabulary = list(dict.fromkeys(pieces))[:200]
    vocabulary += [f"[unused{i}]" for i in range(200 - len(vocabulary))]
    wordpiece = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.decoder = decoders.WordPiece()
    wordpiece.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], special))
    return PreTrainedTokenizerFast(
        tokenizer_object=wordpiece,
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )


TEXTS = [
    ("A very good film, the best of the day!", None),
    ("Never read this DULL book.", "It's a great book; why not?"),
    ("Café naïve résumé — 東京 1,234", None),
    ("", "the second sentence only"),
    (" ".join(["people want free money and more time"] * 6), "a short second part"),
    (" ".join(["people want free money and more time"] * 12), None),
]


def make(folder: Path) -> None:
    base = base_model()
    base.save_pretrained(folder / CHECKPOINT)
    base.bert.save_pretrained(folder / BACKBONE)
    words = tokenizer()
    for name in (CHECKPOINT, BACKBONE):
        words.save_pretrained(folder / name)
        name_as_bert(folder / name / "tokenizer_config.json")
    save_adapter(folder / ADAPTER)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    cases = []
    for text, pair in TEXTS:
        for limit in (32, 64):
            encoded = words(text, pair, truncation=True, max_length=limit)
            cases.append({"text": text, "pair": pair, "maxLength": limit, "truncation": "longest_first", **encoded})
    (folder / "tokens.json").write_text(json.dumps(cases, indent=None).replace("}, {", "},\n {") + "\n")


def name_as_bert(path: Path) -> None:
    """The class that published BERT checkpoints name; what transformers 5 writes is unknown to its older versions."""
    written = json.loads(path.read_text())
    written.pop("backend", None)
    written |= {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")


def save_adapter(folder: Path) -> None:
    model = lora_model()
    config = model.peft_config["default"]
    config.base_model_name_or_path = CHECKPOINT
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    # PEFT keeps the targets as a set: their order in the file changes with Python's hash seed.
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    written["target_modules"] = sorted(written["target_modules"])
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
