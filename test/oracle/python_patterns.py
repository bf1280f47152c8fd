"""Which paths Python's `re` says that patterns match: test/adapters/peft/fixtures/patterns.json.

    python test/oracle/python_patterns.py
"""

import json
import re
from pathlib import Path

OUTPUT = Path(__file__).resolve().parents[2] / "test/adapters/peft/fixtures/patterns.json"
PATHS = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.1.self_attn.q_proj",
    "model.layers.11.mlp.down_proj",
    "bert.encoder.layer.0.attention.self.query",
    "bert.encoder.layer.1.output.dense",
    "lm_head",
    "h.0.attn.c_attn",
    "a]b",
    "a{,2}",
    "modelé.q",
]
PATTERNS = [
    ".*q_proj", r".*\.(q|k)_proj", r"(?P<stem>.*)\.q_proj", r".*layers\.\d+\..*", r".*layers\.[0-9]\..*", r"[^.]+",
    r"\w+\.\w+\.\d{1,}.*", r".*\.\d{2}\..*", "a[]b]b", "a]b", "a{,2}", r"a\{,2}", r"(?i).*Q_PROJ", r"\Amodel.*\Z",
    r"^bert.*dense$", r".*(?=q_proj)q_proj", r"(?!.*mlp).*_proj", r"(?:.*?\.)*?query", r".*\bself\b.*", r"(a|b)*",
    r"(.*a){2}.*", r"(x*)*lm_head", r"(?:)*lm_head", r"l{1}m_head", r"lm_hea{0,3}d", r"lm_[a-z]{4}", r"[\w.]*é\.q",
    r"(?:.*?(?:self_attn|mlp).*?(?:q_proj|down_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.(?:mlp)\.(?:(?:down_proj)))",
    r".*\x71_proj", r"[\x5d-a]\]b", r"a\]b", r"(?#any).*dense", r"(?<=x)a", r"(?>a)b", r"a*+b", r"(a)\1", r"(?x) a",
    r"(?P<a>a)(?P=a)", r"\p{L}", r"a**", r"*a", r"(", r")", r"[z-a]", r"a{3,1}", r"(?P<1>a)", r"\Q", r"[", "x\\",
]


def outcome(pattern):
    try:
        compiled = re.compile(pattern)
    except re.error:
        return None
    return [path for path in PATHS if compiled.fullmatch(path)]


OUTPUT.write_text(
    json.dumps({"paths": PATHS, "patterns": [[one, outcome(one)] for one in PATTERNS]}, indent=1, ensure_ascii=False) + "\n"
)
