"""The keys of config.json that transformers reads for each family, from its sources: `config.KEY`, `getattr(config,
"KEY")` and the fields of the configuration classes. What diffora does with each is held to this list by
test/models/configKeys.test.ts."""

import ast
import importlib
import inspect
import json
from pathlib import Path

import transformers
from transformers import AutoConfig, PretrainedConfig

from fixture_files import dump

FAMILIES = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "xlm_roberta",
    "camembert": "camembert",
    "distilbert": "distilbert",
    "deberta-v2": "deberta_v2",
    "electra": "electra",
    "mpnet": "mpnet",
    "albert": "albert",
    "nomic_bert": "nomic_bert",
    "modernbert": "modernbert",
    "llama": "llama",
    "mistral": "mistral",
    "ministral": "ministral",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "smollm3": "smollm3",
    "olmo2": "olmo2",
    "granite": "granite",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
    "gpt2": "gpt2",
    "gpt_neox": "gpt_neox",
    "opt": "opt",
    "starcoder2": "starcoder2",
    "t5": "t5",
    "mt5": "mt5",
    "umt5": "umt5",
}

"""What every family runs through."""
SHARED = [
    "modeling_rope_utils",
    "masking_utils",
    "modeling_layers",
    "modeling_utils",
    "cache_utils",
    "pytorch_utils",
    "loss.loss_utils",
    "configuration_utils",
    "integrations.sdpa_attention",
    "utils.generic",
]

"""Names under which the sources hold a configuration; `self` only within configuration classes."""
CONFIG_NAMES = {"config", "text_config", "effective_config", "layer_config"}


def is_config(node: ast.AST, with_self: bool) -> bool:
    if isinstance(node, ast.Name):
        return node.id in CONFIG_NAMES or (with_self and node.id == "self")
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get_text_config"
    return isinstance(node, ast.Attribute) and node.attr in CONFIG_NAMES


def text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def keys_of(module: str) -> set[str]:
    tree = ast.parse(inspect.getsource(importlib.import_module(f"transformers.{module}")))
    found = read_of(tree, with_self=False)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and (node.name.endswith("Config") or node.name == "RotaryEmbeddingConfigMixin"):
            found |= read_of(node, with_self=True)
        if isinstance(node, ast.FunctionDef) and node.name in {"__post_init__", "convert_rope_params_to_dict"}:
            found |= popped_of(node)
    return found


def read_of(tree: ast.AST, with_self: bool) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_config(node.value, with_self):
            found.add(node.attr)
        if isinstance(node, ast.Call) and len(node.args) > 1:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in {"getattr", "hasattr"} and is_config(node.args[0], with_self) and text(node.args[1]):
                found.add(text(node.args[1]))
    return found


def popped_of(function: ast.FunctionDef) -> set[str]:
    """Keys that a configuration takes from what it is given without having them as fields."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {text(one.args[0]) for one in calls if getattr(one.func.value, "id", "") == "kwargs" and one.args and text(one.args[0])}


def is_key(name: str) -> bool:
    """Methods, class attributes and what the library keeps for itself are no keys of a file."""
    if name.startswith("_") or name.isupper():
        return False
    member = inspect.getattr_static(PretrainedConfig, name, None)
    if inspect.isroutine(member):
        return False
    return name not in CLASS_ATTRIBUTES


"""Set by classes, never by a file, or not of a model's configuration (those of loading, kernels, parallel plans)."""
CLASS_ATTRIBUTES = {
    name for name, value in vars(PretrainedConfig).items() if name in PretrainedConfig.__annotations__ and "ClassVar" in str(PretrainedConfig.__annotations__[name])
}


def rope_keys() -> set[str]:
    """Keys within rope_parameters (rope_scaling)."""
    tree = ast.parse(inspect.getsource(importlib.import_module("transformers.modeling_rope_utils")))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "RopeParameters":
            found |= {one.target.id for one in node.body if isinstance(one, ast.AnnAssign)}
        of = None
        if isinstance(node, ast.Subscript):
            of, key = node.value, text(node.slice)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "setdefault"} and node.args:
            of, key = node.func.value, text(node.args[0])
        if of is not None and key and "rope_parameters" in ast.dump(of):
            found.add(key)
    return found


def read_keys() -> dict[str, list[str]]:
    shared = set().union(*(keys_of(module) for module in SHARED))
    families = {}
    for model_type, folder in FAMILIES.items():
        configuration = f"models.{folder}.configuration_{folder}"
        own = keys_of(f"models.{folder}.modeling_{folder}") | keys_of(configuration)
        config = AutoConfig.for_model(model_type)
        fields = set(config.to_dict()) | set(type(config).attribute_map)
        families[model_type] = sorted(name for name in own | fields if is_key(name))
    return {"shared": sorted(name for name in shared if is_key(name)), "rope_parameters": sorted(rope_keys()), **families}


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config-keys.json").write_text(dump({"transformers": transformers.__version__, "keys": read_keys()}) + "\n")


if __name__ == "__main__":
    print(json.dumps(read_keys(), indent=1))
