"""huggingface_hub's own reader on the model card of a run, held to the run's run.json.

python model_card.py RUN
"""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

from huggingface_hub import ModelCard

# As the hub (evaluate) calls our metrics.
HUB_NAMES = {"matthews": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr", "rouge_l": "rouge"}


def main(run: Path) -> None:
    card = ModelCard.load(run / "adapter" / "README.md")
    record = json.loads((run / "run.json").read_text())
    passed = failed = 0

    def check(what: str, found: object, wanted: object) -> None:
        nonlocal passed, failed
        if found == wanted:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {what}: {found} is not {wanted}")

    results = card.data.eval_results or []
    scores = {HUB_NAMES.get(name, name): value for name, value in record["scores"]["dev"].items() if value is not None}
    check("scores", {one.metric_type: one.metric_value for one in results}, scores)
    check("rows", {(one.dataset_name, one.dataset_split) for one in results}, {(record["task"], "dev")})
    check("base model", card.data.base_model, record["config"]["model"])
    check("library", card.data.library_name, "peft")
    has_dam = (run / "dam.json").exists()
    check("picture", "](dam.svg)" in card.content, has_dam)
    if has_dam:
        picture = ElementTree.parse(run / "adapter" / "dam.svg").getroot()
        check("picture's element", picture.tag, "{http://www.w3.org/2000/svg}svg")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
