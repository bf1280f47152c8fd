"""Makes test/metrics/fixtures/rouge.json: ROUGE-1, ROUGE-2 and ROUGE-L of Google's rouge_score, without its stemmer, of the texts of
textMetrics.json, the best over the references of each.

    python test/oracle/rouge_fixture.py
"""

import json
from importlib.metadata import version
from pathlib import Path

from rouge_score.rouge_scorer import RougeScorer

FIXTURES = Path(__file__).resolve().parent.parent / "metrics" / "fixtures"
KINDS = ["rouge1", "rouge2", "rougeL"]


def main() -> None:
    scorer = RougeScorer(KINDS, use_stemmer=False)
    made = {}
    for corpus in json.loads((FIXTURES / "textMetrics.json").read_text())["corpora"]:
        scores = [scorer.score_multi(group, text) for text, group in zip(corpus["texts"], corpus["references"])]
        made[corpus["name"]] = {kind: [round(one[kind].fmeasure, 12) for one in scores] for kind in KINDS}
    (FIXTURES / "rouge.json").write_text(json.dumps({"rouge_score": version("rouge-score"), "corpora": made}) + "\n")


main()
