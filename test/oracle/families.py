"""Fixtures of the model families: for every case a tiny random checkpoint with logits, losses and LoRA's gradients.

A family is a file `family_<name>.py` with a list CASES; adding one is that file and a line in FAMILIES below.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import PretrainedConfig, PreTrainedModel

from fixture_files import VERSIONS, Fixture, normal, seeded

RANK, ALPHA = 2, 6
FIRST_WORD = 5


@dataclass
class Head:
    """A head: PEFT's task type, this project's kind of labels, and transformers' class."""

    task_type: str
    kind: str
    model_class: type[PreTrainedModel]
    labels: int = 3


@dataclass
class Case:
    name: str
    config: PretrainedConfig
    heads: list[Head]
    """Python's regular expression for every adaptable linear module."""
    targets: str
    """Longest sequence that the position embeddings allow."""
    longest: int
    """Class that the checkpoint is saved from."""
    saved_from: type[PreTrainedModel]
    pairs: bool = False
    """A weight decoder has no use for padding: one row without it tells more."""
    lengths: dict[str, list[int]] = field(default_factory=lambda: {"padding": [12, 5, 9, 3], "single": [7]})
    """Length of the row beside the longest."""
    beside: int = 4
    """Start of the names of what of a head is pretrained, and so not trained."""
    pretrained: str | None = None
    """Start of the names of what of a head for masked tokens is trained; left out, nothing is."""
    whole_head: str | None = None
    """Longest sequence that the model states, where no batch is of that length."""
    stated: int | None = None
    """Lengths of the texts that an encoder-decoder writes, in every batch; the longest batch is left out."""
    written: list[int] | None = None


def draw(model: torch.nn.Module, seed: int, apart_from: frozenset[int] = frozenset()) -> None:
    """Overwrites every parameter by its name, so that nothing hangs on the library's initialisation."""
    for name, parameter in sorted(model.named_parameters()):
        if id(parameter) in apart_from:
            continue
        generator = seeded(seed + sum(ord(letter) * (i + 1) for i, letter in enumerate(name)))
        if parameter.ndim == 1 and name.endswith("weight"):
            value = normal(generator, parameter.shape, 0.2, 1)
        else:
            value = normal(generator, parameter.shape, 0.2 if parameter.ndim == 1 else 0.3)
        with torch.no_grad():
            parameter.copy_(value)


def build(case: Case, head: Head, seed: int) -> PreTrainedModel:
    """The backbone's weights are the same under every head."""
    case.config.num_labels = 2 if head.kind == "span" else head.labels
    case.config.problem_type = None
    model = head.model_class(case.config).float()
    prefix = f"{model.base_model_prefix}."
    draw(model.base_model, seed)
    own = frozenset(id(parameter) for parameter in model.base_model.parameters())
    for name, module in model.named_children():
        if f"{name}." != prefix:
            draw(module, seed + 7, own)
    return model.eval()


def batches(case: Case, seed: int) -> dict[str, dict[str, torch.Tensor]]:
    shapes = dict(case.lengths) if case.written else {**case.lengths, "longest": [case.longest, case.beside]}
    made = {name: batch(case, seed + i, lengths) for i, (name, lengths) in enumerate(shapes.items())}
    if case.pairs:
        made["pairs"] = batch(case, seed + len(shapes), [14, 10, 7], [6, 5, 3])
    return made


def batch(case: Case, seed: int, lengths: list[int], pairs: list[int] | None = None) -> dict[str, torch.Tensor]:
    """Random words, padded on the right; `pairs[i]` is where row i's second part starts."""
    rows, width = len(lengths), max(lengths)
    ids = torch.randint(FIRST_WORD, case.config.vocab_size, [rows, width], generator=seeded(seed))
    positions = torch.arange(width).expand(rows, width)
    mask = (positions < torch.tensor(lengths)[:, None]).long()
    types = torch.zeros_like(ids)
    if pairs is not None:
        types = (positions >= torch.tensor(pairs)[:, None]).long() * mask
    padding = case.config.pad_token_id or 0
    return {"input_ids": torch.where(mask == 1, ids, padding), "attention_mask": mask, "token_type_ids": types}


def labels_of(head: Head, inputs: dict[str, torch.Tensor], seed: int, case: Case):
    """What transformers takes, and what diffora takes (see BatchLabels in src/engine/batch.ts)."""
    generator = seeded(seed)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    rows, width = ids.shape
    if head.kind == "classification":
        labels = torch.randint(0, head.labels, [rows], generator=generator)
        return {"labels": labels}, {"labels": labels}
    if head.kind == "regression":
        labels = normal(generator, [rows], 2, 2)
        return {"labels": labels}, {"labels": labels}
    if head.kind == "tokens":
        labels = torch.randint(0, head.labels, ids.shape, generator=generator)
        labels[(mask == 0) | (torch.rand(ids.shape, generator=generator) < 0.3)] = -100
        return {"labels": labels}, {"labels": labels.flatten()}
    if head.kind == "span":
        ends = torch.stack([(torch.rand([rows], generator=generator) * mask.sum(1)).long() for _ in range(2)], 1)
        hit = torch.nn.functional.one_hot(ends, width).double()
        return {"start_positions": ends[:, 0], "end_positions": ends[:, 1]}, {"labels": hit}
    if head.kind == "masked":
        labels = torch.randint(0, int(inputs["input_ids"].max()) + 1, ids.shape, generator=generator)
        labels[(mask == 0) | (torch.rand(ids.shape, generator=generator) < 0.7)] = -100
        wanted = (labels.flatten() != -100).nonzero()[:, 0]
        return {"labels": labels}, {"labels": labels.flatten()[wanted], "rows": wanted}
    if head.kind == "seq2seq":
        lengths = case.written[:rows]
        labels = torch.randint(FIRST_WORD, case.config.vocab_size, [rows, max(lengths)], generator=generator)
        labels[torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]] = -100
        start = torch.full([rows, 1], case.config.decoder_start_token_id)
        read = torch.cat([start, labels[:, :-1]], 1)
        wanted = (labels.flatten() != -100).nonzero()[:, 0]
        ours = {"labels": labels.flatten()[wanted], "rows": wanted}
        return {"labels": labels}, {**ours, "targetIds": torch.where(read == -100, case.config.pad_token_id, read)}
    labels = torch.where(mask == 1, ids, -100)
    labels[:, : min(3, width - 1)] = -100 if width > 4 else labels[:, : min(3, width - 1)]
    following = torch.cat([labels[:, 1:], torch.full([rows, 1], -100)], 1).flatten()
    wanted = (following != -100).nonzero()[:, 0]
    return {"labels": labels}, {"labels": following[wanted], "rows": wanted}


def forward(model, inputs, targets):
    accepted = {"token_type_ids"} if takes_types(model) else set()
    given = {key: value for key, value in inputs.items() if key != "token_type_ids" or key in accepted}
    return model(**given, **targets)


def takes_types(model) -> bool:
    return getattr(model.config, "type_vocab_size", 0) > 0


def logits_of(result, kind: str, rows) -> torch.Tensor:
    """As Model.logits gives them: rows of tokens one below the other."""
    if kind == "span":
        return torch.stack([result.start_logits, result.end_logits], -1).flatten(0, 1)
    if kind == "tokens":
        return result.logits.flatten(0, 1)
    if kind in ("language", "masked", "seq2seq"):
        return result.logits.flatten(0, 1)[rows]
    return result.logits


def trainable(model) -> dict[str, torch.nn.Parameter]:
    """LoRA's tensors and the head's, by this project's names."""
    named = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            named[name.removeprefix("base_model.model.").replace(".default.weight", "")] = parameter
    return named


def with_lora(case: Case, model: PreTrainedModel, seed: int):
    prefix = f"{model.base_model_prefix}."
    backbone = {name for name, _ in model.named_parameters() if name.startswith(prefix)}
    head = [] if any(end in type(model).__name__ for end in ("CausalLM", "LMHead", "MaskedLM", "ConditionalGeneration")) else None
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=case.targets, bias="none")
    adapted = get_peft_model(model, config)
    for name, parameter in adapted.named_parameters():
        plain = name.removeprefix("base_model.model.")
        is_frozen = case.pretrained is not None and plain.startswith(case.pretrained)
        if head is None and "lora_" not in name and plain not in backbone and not plain.startswith(prefix) and not is_frozen:
            parameter.requires_grad_(True)
        if case.whole_head is not None and plain.startswith(case.whole_head):
            parameter.requires_grad_(True)
    with torch.no_grad():
        for name, parameter in sorted(trainable(adapted).items()):
            if ".lora_" in name:
                generator = seeded(seed + sum(ord(letter) * (i + 1) for i, letter in enumerate(name)))
                parameter.copy_(normal(generator, parameter.shape, 0.3))
    return adapted


def make_case(folder: Path, case: Case, seed: int) -> None:
    fixture = Fixture(folder, case.name)
    tasks, adapter = [], {}
    for head in case.heads:
        base = build(case, head, seed).double()
        if type(base) is case.saved_from:
            save(folder / case.name, base)
        plain = {name: parameter.clone() for name, parameter in base.named_parameters()}
        model = with_lora(case, build(case, head, seed), seed + 20).double().eval()
        parameters = trainable(model)
        trained_head = {name: value for name, value in parameters.items() if ".lora_" not in name}
        lora = {name: value for name, value in parameters.items() if ".lora_" in name}
        if not adapter:
            adapter = fixture.add_all("adapter", lora)
        task = {
            "taskType": head.task_type,
            "kind": head.kind,
            "numLabels": head.labels,
            "architecture": type(base).__name__,
            "head": fixture.add_all(f"{head.kind}/head", trained_head),
            **({} if case.whole_head is None else {"headPart": "all"}),
            "batches": [],
        }
        assert all(torch.equal(plain[name], value) for name, value in trained_head.items())
        for index, (name, inputs) in enumerate(batches(case, seed + 100).items()):
            key = f"{head.kind}/{name}"
            given, ours = labels_of(head, inputs, seed + 200 + index, case)
            rows = ours.get("rows")
            with torch.no_grad():
                without = forward(base, inputs, given if case.written else {})
            result = forward(model, inputs, given)
            gradients = torch.autograd.grad(result.loss, list(parameters.values()))
            task["batches"].append(
                {
                    "name": name,
                    **{field: fixture.add(f"{key}/{field}", inputs[python]) for field, python in INPUTS.items()},
                    **{field: fixture.add(f"{key}/{field}", value) for field, value in ours.items()},
                    "baseLogits": fixture.add(f"{key}/baseLogits", logits_of(without, head.kind, rows)),
                    "logits": fixture.add(f"{key}/logits", logits_of(result, head.kind, rows)),
                    "loss": result.loss.item(),
                    "gradients": fixture.add_all(f"{key}/gradient", dict(zip(parameters, gradients))),
                }
            )
        tasks.append(task)
    if not (folder / case.name).exists():
        draw_and_save(folder / case.name, case, seed)
    fixture.write(
        {
            "versions": VERSIONS,
            "modelType": case.config.model_type,
            "lora": {"rank": RANK, "alpha": ALPHA},
            "maxLength": case.stated or case.longest,
            "adapter": adapter,
            "tasks": tasks,
        }
    )


INPUTS = {"inputIds": "input_ids", "attentionMask": "attention_mask", "tokenTypeIds": "token_type_ids"}


def draw_and_save(folder: Path, case: Case, seed: int) -> None:
    """A bare backbone: no head and no prefix."""
    model = case.saved_from(case.config).float()
    draw(model, seed)
    save(folder, model)


def save(folder: Path, model: PreTrainedModel) -> None:
    model.float().save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model.double()


def make(folder: Path) -> None:
    import family_albert
    import family_bert
    import family_deberta
    import family_distilbert
    import family_electra
    import family_gpt2
    import family_llama
    import family_masked
    import family_modernbert
    import family_mpnet
    import family_neox
    import family_nomic
    import family_roberta
    import family_t5

    families = [
        family_bert,
        family_roberta,
        family_distilbert,
        family_llama,
        family_gpt2,
        family_deberta,
        family_electra,
        family_mpnet,
        family_modernbert,
        family_neox,
        family_masked,
        family_albert,
        family_nomic,
        family_t5,
    ]
    for case in [case for family in families for case in family.cases()]:
        make_case(folder / "families", case, seed=20250300)
    family_deberta.buckets(folder)
    family_t5.written(folder)
