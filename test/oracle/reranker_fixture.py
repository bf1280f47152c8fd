"""Makes test/tasks/kinds/fixtures/reranker.json: losses of sentence-transformers' cross-encoders with their gradients, and what its
evaluator says of rankings.

    python test/oracle/reranker_fixture.py

Needs sentence-transformers and scikit-learn. Scores are exact in float32; sentence-transformers computes these losses in float32.
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import losses
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator

OUTPUT = Path(__file__).resolve().parent.parent / "tasks" / "kinds" / "fixtures" / "reranker.json"


class Scores(CrossEncoder):
    """A cross-encoder that has its scores already: what its losses need of one."""

    num_labels, device = 1, torch.device("cpu")

    def __init__(self, logits: torch.Tensor):
        torch.nn.Module.__init__(self)
        self.logits, self.next = logits, 0

    def preprocess(self, pairs, **_):
        return {"count": torch.tensor(len(pairs))}

    def forward(self, inputs):
        count = int(inputs["count"])
        self.next += count
        return {"scores": self.logits[self.next - count : self.next]}


def case(name: str, make, relevances: list[list[float]], seed: int, spread: float = 1.0) -> dict:
    count = sum(map(len, relevances))
    logits = (torch.randn(count, generator=torch.Generator().manual_seed(seed)) * spread).requires_grad_()
    loss = make(Scores(logits))
    queries = [f"q{i}" for i in range(len(relevances))]
    passages = [[f"d{i} {k}" for k in range(len(own))] for i, own in enumerate(relevances)]
    if isinstance(loss, losses.BinaryCrossEntropyLoss):
        flat = [(query, one) for query, own in zip(queries, passages) for one in own]
        value = loss([[query for query, _ in flat], [one for _, one in flat]], torch.tensor([one for own in relevances for one in own]))
    else:
        value = loss([queries, passages], [torch.tensor(own) for own in relevances])
    value.backward()
    return {"loss": name, "relevances": relevances, "logits": logits.detach().tolist(), "value": value.item(), "gradient": logits.grad.tolist()}


def rankings() -> dict:
    draw = random.Random(3)
    samples, given = [], {}
    for i in range(14):
        count = draw.choice([2, 5, 12, 30])
        positives = draw.sample(range(count), draw.choice([1, 1, 2]) if count > 2 else 1)
        scores = [round(draw.gauss(0, 1), 4) for _ in range(count)]
        texts = [f"d{i} {k}" for k in range(count)]
        given |= {(f"q{i}", text): score for text, score in zip(texts, scores)}
        # The evaluator puts positives first; the scores say which place each gets.
        samples.append({"query": f"q{i}", "positive": [texts[k] for k in positives], "negative": [text for k, text in enumerate(texts) if k not in positives]})

    class Model:
        model_card_data = type("Card", (), {"set_evaluation_metrics": lambda *_: None})()

        def predict(self, pairs, **_):
            import numpy

            return numpy.array([given[tuple(pair)] for pair in pairs])

    scores = CrossEncoderRerankingEvaluator(samples, at_k=10)(Model())
    queries = [
        {"scores": [given[(one["query"], text)] for text in one["positive"] + one["negative"]], "relevance": [1] * len(one["positive"]) + [0] * len(one["negative"])}
        for one in samples
    ]
    names = {"ndcg_at_10": "ndcg@10", "mrr_at_10": "mrr@10", "map": "map"}
    return {"queries": queries, "scores": {name: float(scores[key]) for name, key in names.items()}}


def graded() -> list[dict]:
    """nDCG of relevances by degrees and of scores that are equal, by scikit-learn."""
    from sklearn.metrics import ndcg_score

    draw = random.Random(9)
    made = []
    for count in (3, 8, 25):
        relevance = [draw.choice([0, 0, 1, 2, 3]) for _ in range(count - 1)] + [1]
        scores = [round(draw.gauss(0, 1), 1) for _ in range(count)]
        made.append({"scores": scores, "relevance": relevance, "ndcg_at_10": float(ndcg_score([relevance], [scores], k=10))})
    return made


def main() -> None:
    lists = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0], [1.0, 0.0]]
    grades = [[3.0, 0.0, 1.0, 2.0], [0.0, 0.0, 1.0], [2.0, 2.0], [0.5, 4.0, 1.0, 0.0, 0.0, 2.0]]
    made = [losses.RankNetLoss, losses.LambdaLoss, losses.ListNetLoss]
    cases = [
        case("BinaryCrossEntropyLoss", losses.BinaryCrossEntropyLoss, lists, 1, 3.0),
        case("BinaryCrossEntropyLoss", losses.BinaryCrossEntropyLoss, [[0.2], [0.9], [0.5]], 2),
        *(case(one.__name__, one, lists, 3) for one in made),
        *(case(one.__name__, one, grades, 4, 2.0) for one in made),
        *(case(one.__name__, one, [[1.0, 1.0], [0.0]], 5) for one in made[:2]),
    ]
    OUTPUT.write_text(json.dumps({
        "sentenceTransformers": version("sentence-transformers"), "torch": version("torch"), "cases": cases, "rankings": rankings(), "graded": graded(),
    }) + "\n")


if __name__ == "__main__":
    main()
