"""Makes test/tasks/preference/fixtures/preference.json: what TRL makes of preferences, losses, rewards and gradients of LoRA.

    python test/oracle/preference_fixture.py

Needs trl of requirements-text.txt. The model is the LLaMA of two layers in test/fixtures/oracle/families, with the LoRA that lies
beside it, and the tokenizer of letters of test/tasks/chat/chatModel.ts. The computation runs in float64.
"""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
import trl
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ROOT / "fixtures" / "oracle" / "families"
OUTPUT = ROOT / "tasks" / "preference" / "fixtures" / "preference.json"

SPECIAL = ["[PAD]", "[UNK]", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|im_start|>"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *" \n.?!-:", *"0123456789", *"<|_>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


# Prompts and answers of several lengths, with a system and with more than one question.
PAIRS = [
    {"prompt": [turn("user", "say a")], "chosen": [turn("assistant", "aaa")], "rejected": [turn("assistant", "bb bb b")]},
    {"prompt": [turn("system", "be kind"), turn("user", "say b")], "chosen": [turn("assistant", "b.")], "rejected": [turn("assistant", "no")]},
    {
        "prompt": [turn("user", "hi"), turn("assistant", "ho"), turn("user", "and now?")],
        "chosen": [turn("assistant", "now we say yes!")],
        "rejected": [turn("assistant", "z")],
    },
]


def tokenizer() -> PreTrainedTokenizerFast:
    vocab = {token: i for i, token in enumerate([*SPECIAL, *LETTERS])}
    made = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="[UNK]"))
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="</s>", pad_token="[PAD]", unk_token="[UNK]", chat_template=TEMPLATE
    )


def base():
    model = AutoModelForCausalLM.from_pretrained(FAMILIES / "llama", dtype=torch.float64)
    model.config.max_position_embeddings = 256
    return model.eval()


def lora() -> LoraConfig:
    described = json.loads((FAMILIES / "llama.json").read_text())["lora"]
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return LoraConfig(r=described["rank"], lora_alpha=described["alpha"], lora_dropout=0.0, target_modules=names, task_type="CAUSAL_LM")


def trainable(model) -> dict[str, torch.nn.Parameter]:
    """LoRA's tensors, by this project's names."""
    return {
        name.removeprefix("base_model.model.").replace(".default.weight", ""): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def trainer(make, config, rows, scale: float = 1, **settings):
    """A trainer of TRL's whose model has the LoRA of the oracle, B times a scale. Its reference is the model without that."""
    folder = tempfile.mkdtemp()
    args = config(output_dir=folder, report_to="none", use_cpu=True, bf16=False, max_length=None, gradient_checkpointing=False, **settings)
    made = make(model=base(), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer(), peft_config=lora())
    model = made.model.double().eval()
    tensors = load_file(FAMILIES / "llama.safetensors")
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            parameter.copy_(tensors[f"adapter/{name}"].double() * (scale if name.endswith("lora_B") else 1))
    return made


def gradients(loss: torch.Tensor, model) -> dict[str, list[float]]:
    parameters = trainable(model)
    found = torch.autograd.grad(loss, list(parameters.values()))
    return {name: rounded(gradient.flatten().tolist()) for name, gradient in zip(parameters, found)}


def rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.9g}") for value in values]


def inputs_of(made) -> dict[str, torch.Tensor]:
    return made.data_collator([made.train_dataset[i] for i in range(len(made.train_dataset))])


def reported(made) -> dict[str, float]:
    """What TRL reports of a batch."""
    metrics = {name: values[-1] for name, values in made._metrics["eval"].items() if name.startswith("rewards/")}
    return {name.removeprefix("rewards/"): value for name, value in metrics.items()}


def dpo(loss: str, beta: float) -> dict:
    made = trainer(DPOTrainer, DPOConfig, PAIRS, loss_type=[loss], beta=beta)
    value = made.compute_loss(made.model, inputs_of(made))
    return {"loss": loss, "beta": beta, "value": value.item(), "rewards": reported(made), "gradients": gradients(value, made.model)}


def logps(model, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of each answer, chosen ones first."""
    logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    return CPOTrainer.get_batch_logps(logits, labels)


def smoothed(beta: float, smoothing: float) -> dict:
    """Conservative DPO: TRL has it in CPOTrainer's loss, which here gets what DPO weighs, ratios to the reference."""
    made = trainer(DPOTrainer, DPOConfig, PAIRS, beta=beta)
    inputs = inputs_of(made)
    with torch.no_grad(), made.model.disable_adapter():
        reference = logps(made.model, inputs)
    chosen, rejected = (logps(made.model, inputs) - reference).chunk(2)
    stub = SimpleNamespace(
        alpha=0.0, beta=beta, label_smoothing=smoothing, loss_type="sigmoid", accelerator=SimpleNamespace(device="cpu")
    )
    value = CPOTrainer.cpo_loss(stub, chosen, rejected)[0].mean()
    return {
        "loss": "sigmoid", "beta": beta, "labelSmoothing": smoothing, "value": value.item(), "gradients": gradients(value, made.model),
    }


def without_reference(make, loss: str, beta: float, **options) -> dict:
    """The trainers that have no reference: their own loss of the batch that DPOTrainer makes, without their tokens and their padding."""
    made = trainer(DPOTrainer, DPOConfig, PAIRS, beta=beta)
    inputs = inputs_of(made)
    concatenated = {
        "concatenated_input_ids": inputs["input_ids"],
        "concatenated_attention_mask": inputs["attention_mask"],
        "concatenated_labels": inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100),
    }
    stub = SimpleNamespace(
        is_encoder_decoder=False, aux_loss_enabled=False, pad_token_id=0, padding_value=0, cpo_alpha=0.0, alpha=0.0, beta=beta,
        label_smoothing=0.0, loss_type=loss, accelerator=SimpleNamespace(device="cpu"), concatenated_inputs=lambda *_, **__: concatenated,
        get_batch_logps=make.get_batch_logps, **options,
    )
    batch = {"chosen_labels": concatenated["concatenated_labels"][: len(PAIRS)]}
    chosen, rejected, _, _, beside = make.concatenated_forward(stub, made.model, batch)
    if make is ORPOTrainer:
        ratios, *rewards = make.odds_ratio_loss(stub, chosen, rejected)[:3]
        value = beside - ratios.mean()
    else:
        each, *rewards = make.cpo_loss(stub, chosen, rejected)
        value = each.mean()
    means = dict(zip(("chosen", "rejected"), (one.mean().item() for one in rewards)))
    accuracies = (rewards[0] > rewards[1]).double().mean().item()
    reported = {**means, "accuracies": accuracies, "margins": means["chosen"] - means["rejected"]}
    given = {"simpoGamma": options["simpo_gamma"]} if options else {}
    return {"loss": loss, "beta": beta, **given, "value": value.item(), "rewards": reported, "gradients": gradients(value, made.model)}


def kto(beta: float, desirable: float, undesirable: float, scale: float) -> dict:
    rows = [
        {"prompt": pair["prompt"], "completion": pair[which], "label": which == "chosen"} for which in ("chosen", "rejected") for pair in PAIRS
    ]
    weights = {"desirable_weight": desirable, "undesirable_weight": undesirable}
    # Answers are given to something else within a batch: here it is all rows.
    made = trainer(KTOTrainer, KTOConfig, rows, scale, beta=beta, per_device_train_batch_size=len(rows), **weights)
    value = made.compute_loss(made.model, inputs_of(made))
    # The whole adapter makes answers less likely where they do not belong, and z is 0; a weaker one has it above.
    assert (made._metrics["eval"]["kl"][-1] > 0) == (scale < 1)
    given = {"scale": scale, "desirableWeight": desirable, "undesirableWeight": undesirable}
    return {"loss": "kto", "beta": beta, **given, "value": value.item(), "rewards": reported(made), "gradients": gradients(value, made.model)}


def sequences() -> list[dict]:
    """Tokens as TRL makes them."""
    made = trainer(DPOTrainer, DPOConfig, PAIRS)
    return [{name: made.train_dataset[i][name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")} for i in range(len(PAIRS))]


def main() -> None:
    cases = [
        dpo("sigmoid", 0.1), dpo("sigmoid", 0.5), smoothed(0.1, 0.2), dpo("ipo", 0.1), dpo("ipo", 0.4),
        without_reference(ORPOTrainer, "orpo", 0.1), without_reference(ORPOTrainer, "orpo", 0.7),
        without_reference(CPOTrainer, "simpo", 2.0, simpo_gamma=1.0), without_reference(CPOTrainer, "simpo", 0.8, simpo_gamma=0.3),
        kto(0.1, 1.0, 1.0, 1), kto(0.4, 1.5, 0.7, 0.25),
    ]
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    described = {"versions": {"trl": trl.__version__}, "pairs": PAIRS, "sequences": sequences(), "cases": cases}
    OUTPUT.write_text(json.dumps(described, separators=(",", ":")) + "\n")
    for case in cases:
        print(case["loss"], case["value"], case.get("rewards"))


if __name__ == "__main__":
    main()
