"""Checks that PEFT gives the logits of diffora for adapters with `saveModules`.

    python test/oracle/saved_modules.py
"""

import json
import subprocess
import tempfile
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {"SEQ_CLS": (AutoModelForSequenceClassification, {"num_labels": 3}), "CAUSAL_LM": (AutoModelForCausalLM, {})}

logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.simplefilter("ignore")
failed = 0
with tempfile.TemporaryDirectory() as made:
    subprocess.run(["node", "--import", "tsx", str(ROOT / "test/oracle/saved_modules.ts"), made], check=True, cwd=ROOT)
    for row in json.loads((Path(made) / "rows.json").read_text()):
        model_class, options = CLASSES[row["taskType"]]
        base = model_class.from_pretrained(ROOT / "test/fixtures/oracle/families" / row["base"], **options).float()
        model = PeftModel.from_pretrained(base, Path(made) / row["folder"]).eval()
        with torch.no_grad():
            logits = model(input_ids=torch.tensor(row["inputIds"])).logits
        logits = logits[:, -1] if row["taskType"] == "CAUSAL_LM" else logits
        difference = (logits.flatten() - torch.tensor(row["logits"])).abs().max().item()
        failed += not difference <= 1e-4
        print(f"{'ok' if difference <= 1e-4 else 'FAILED'} {row['base']} {row['settings']}: {difference:.1e}")
raise SystemExit(1 if failed else 0)
