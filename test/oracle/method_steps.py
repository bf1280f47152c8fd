"""Fixture of the methods beyond LoRA: a few AdamW steps of each on the tiny BERT, by PEFT, or by plain PyTorch where PEFT has no such method."""

from pathlib import Path

import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, VeraConfig, get_peft_model
from torch import nn

from bert_cases import batch, classes
from fixture_files import VERSIONS, Fixture, normal, seeded
from tiny_bert import CHECKPOINT, base_model

SEED = 20260401
STEPS = 8
RATE = 0.01
DECAY = 0.01
RANK = 3
ALPHA = 5
TARGETS = ["query", "output.dense"]
PLUS = 16
ADALORA = dict(init_r=4, target_r=2, tinit=1, tfinal=3, deltaT=1, beta1=0.85, beta2=0.85, orth_reg_weight=0.5)
BOTTLENECK = 8
# What diffora scales of its own accord: keys, values, and the input of the feed-forward sub-layer's last module.
IA3_INPUTS = r".*layer\.\d+\.output\.dense"
IA3_TARGETS = rf".*\.(key|value)|{IA3_INPUTS}"


class Bottleneck(nn.Module):
    """A sub-layer's output module (dense, norm over the sum with the residual) with an adapter of AdapterHub's kind."""

    def __init__(self, output: nn.Module, activation, reads_norm: bool):
        super().__init__()
        hidden = output.dense.out_features
        self.dense, self.LayerNorm = output.dense, output.LayerNorm
        self.dense.adapter_down, self.dense.adapter_up = nn.Linear(hidden, BOTTLENECK), nn.Linear(BOTTLENECK, hidden)
        self.activation, self.reads_norm = activation, reads_norm

    def forward(self, hidden_states, input_tensor):
        y = self.dense(hidden_states)
        x = self.LayerNorm(y + input_tensor) if self.reads_norm else y
        y = y + self.dense.adapter_up(self.activation(self.dense.adapter_down(x)))
        return self.LayerNorm(y + input_tensor)


def bottlenecks(both: bool) -> nn.Module:
    model = base_model().requires_grad_(False)
    for layer in model.bert.encoder.layer:
        if both:
            layer.attention.output = Bottleneck(layer.attention.output, nn.functional.gelu, False)
        layer.output = Bottleneck(layer.output, nn.functional.gelu if both else nn.functional.relu, not both)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("adapter_" in name or "classifier" in name or (both and "LayerNorm" in name))
    return model


def adapted(config) -> nn.Module:
    return get_peft_model(base_model(), config)


def lora(**options) -> LoraConfig:
    return LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=list(TARGETS), **options)


def cases() -> dict[str, nn.Module]:
    common = dict(task_type="SEQ_CLS", target_modules=list(TARGETS))
    return {
        "lora-biases": adapted(lora(bias="all")),
        "rslora": adapted(lora(use_rslora=True)),
        "loraplus": adapted(lora()),
        "pissa": adapted(lora(init_lora_weights="pissa")),
        "dora": adapted(lora(use_dora=True)),
        "adalora": adapted(AdaLoraConfig(lora_alpha=ALPHA, total_step=STEPS, **ADALORA, **common)),
        "vera": adapted(VeraConfig(r=RANK, **common)),
        "houlsby": bottlenecks(True),
        "pfeiffer": bottlenecks(False),
        "ia3": adapted(IA3Config(task_type="SEQ_CLS", target_modules=IA3_TARGETS, feedforward_modules=IA3_INPUTS)),
    }


def name_of(name: str) -> str:
    name = name.removeprefix("base_model.model.").replace(".modules_to_save.default", "").replace(".base_layer", "")
    return name.removesuffix(".default.weight").removesuffix(".default")


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name_of(name): one for name, one in model.named_parameters() if one.requires_grad}


def stored(parameters: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    """IA3's factors are vectors in diffora, [out, 1] or [1, in] in PEFT."""
    return {name: one.flatten() if name.endswith("ia3_l") else one for name, one in parameters.items()}


def disturb(model: nn.Module, generator: torch.Generator, skip: tuple[str, ...]) -> None:
    """Moves what starts at 0 away from there, so that every formula has something to do; float32 values, as stored."""
    with torch.no_grad():
        for name, parameter in sorted(trained(model).items()):
            if not name.endswith(skip):
                parameter.add_(normal(generator, parameter.shape, 0.1))
            parameter.copy_(parameter.float())


def make(folder: Path) -> None:
    fixture = Fixture(folder, "methods")
    inputs, labels = batch(SEED, [10, 7, 10, 4]), classes(SEED + 1, 4)
    description = {
        "versions": VERSIONS,
        "checkpoint": CHECKPOINT,
        "targets": TARGETS,
        "rank": RANK,
        "alpha": ALPHA,
        "steps": STEPS,
        "learningRate": RATE,
        "weightDecay": DECAY,
        "loraPlusRatio": PLUS,
        "adalora": ADALORA,
        "bottleneck": BOTTLENECK,
        "inputIds": fixture.add("inputIds", inputs["input_ids"]),
        "attentionMask": fixture.add("attentionMask", inputs["attention_mask"]),
        "tokenTypeIds": fixture.add("tokenTypeIds", inputs["token_type_ids"]),
        "labels": fixture.add("labels", labels),
        "cases": [],
    }
    for name, model in cases().items():
        torch.manual_seed(SEED)
        generator = seeded(SEED + len(name))
        # PiSSA's base is W0 less the first product, so its pairs stay where they start; so do DoRA's norms.
        disturb(model, generator, ("lora_A", "lora_B") if name == "pissa" else ())
        # Dropout is off in the fixture's checkpoint; AdaLoRA adds its term in either mode.
        model = model.double()
        parameters = trained(model)
        case = {"name": name, "initial": fixture.add_all(f"{name}/initial", stored(parameters))}
        if name == "vera":
            shared = {"vera_A": model.base_model.vera_A["default"], "vera_B": model.base_model.vera_B["default"]}
            case["shared"] = fixture.add_all(f"{name}/shared", shared)
        groups = {}
        for key, parameter in parameters.items():
            is_matrix = stored({key: parameter})[key].ndim > 1
            factor = PLUS if name == "loraplus" and key.endswith("lora_B") else 1
            groups.setdefault((factor, is_matrix), []).append(parameter)
        optimizer = torch.optim.AdamW(
            [{"params": group, "factor": factor, "weight_decay": DECAY if decays else 0} for (factor, decays), group in groups.items()]
        )
        losses = []
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = RATE * group["factor"] * (STEPS - step) / (STEPS + 1)
            loss = model(**inputs, labels=labels).loss
            loss.backward()
            losses.append(loss.item())
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step()
            if name == "adalora":
                model.base_model.update_and_allocate(step + 1)
            optimizer.zero_grad()
        case["losses"] = losses
        case["trained"] = fixture.add_all(f"{name}/trained", stored(parameters))
        description["cases"].append(case)
    fixture.write(description)
