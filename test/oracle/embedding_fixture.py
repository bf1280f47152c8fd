"""Makes test/tasks/kinds/fixtures/embedding.json: losses of sentence-transformers with their gradients, what its evaluators say
of vectors, and the average precision of scikit-learn.

    python test/oracle/embedding_fixture.py

Needs sentence-transformers and scikit-learn. The computation runs in float64 from vectors that are exact in float32.
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

import torch
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses.matryoshka import shrink
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator, InformationRetrievalEvaluator
from sklearn.metrics import average_precision_score

OUTPUT = Path(__file__).resolve().parent.parent / "tasks" / "kinds" / "fixtures" / "embedding.json"
WIDTH = 6


def drawn(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)).to(torch.float64).requires_grad_()


def case(name: str, make, columns: int, examples: int, labels: list[float] | None = None, widths: list[int] | None = None, **options):
    vectors = drawn(columns * examples, len(name) + columns)
    loss = make(None, **options)
    given = None if labels is None else torch.tensor(labels)

    def lossOf(each: torch.Tensor) -> torch.Tensor:
        parts = list(each.view(columns, examples, -1))
        # The classes of a batch are no labels of pairs, and its vectors no list.
        if name.startswith("BatchAll"):
            return loss.batch_all_triplet_loss(given, parts[0])
        return loss.compute_loss_from_embeddings(parts, given)

    # MatryoshkaLoss shrinks vectors as here, and sums what its loss makes of each width.
    value = lossOf(vectors) if widths is None else sum(lossOf(shrink(vectors, width)) for width in widths)
    value.backward()
    return {
        "loss": name, "columns": columns, "examples": examples, "labels": labels, "widths": widths or [],
        "options": {key.removeprefix("triplet_"): value for key, value in options.items()},
        "vectors": vectors.detach().flatten().tolist(), "value": value.item(), "gradient": vectors.grad.flatten().tolist(),
    }


class Vectors:
    """What an evaluator needs of a model: it has the vectors."""

    similarity_fn_name, model_card_data = "cosine", type("Card", (), {"set_evaluation_metrics": lambda *_: None})()

    def __init__(self, vectors: dict[str, list[float]]):
        self.vectors = vectors

    def similarity(self, a, b):
        from sentence_transformers.util import cos_sim

        return cos_sim(a, b)

    def encode(self, texts, **_):
        return torch.tensor([self.vectors[text] for text in texts], dtype=torch.float64)

    encode_query = encode_document = encode


def retrieval() -> dict:
    draw = random.Random(5)
    made = lambda: [round(draw.gauss(0, 1), 3) for _ in range(4)]
    queries = {f"q{i}": made() for i in range(12)}
    corpus = {f"d{i:03}": made() for i in range(130)}
    relevant = {q: sorted(draw.sample(sorted(corpus), draw.choice([1, 1, 2, 14]))) for q in queries}
    evaluator = InformationRetrievalEvaluator(
        {q: q for q in queries}, {d: d for d in corpus}, {q: set(found) for q, found in relevant.items()},
        mrr_at_k=[10], ndcg_at_k=[10], map_at_k=[100], accuracy_at_k=[1], precision_recall_at_k=[1, 5, 10], show_progress_bar=False,
    )
    scores = evaluator(Vectors(queries | corpus))
    names = ["ndcg_at_10", "mrr_at_10", "map_at_100", "recall_at_1", "recall_at_5", "recall_at_10"]
    flat = {name: scores[f"cosine_{name.replace('_at_', '@')}"] for name in names}
    return {"queries": queries, "corpus": corpus, "relevant": relevant, "scores": {name: float(value) for name, value in flat.items()}}


def similarity() -> dict:
    draw = random.Random(7)
    made = lambda: [round(draw.gauss(0, 1), 3) for _ in range(4)]
    pairs = [(f"a{i}", f"b{i}", draw.choice([0, 0.5, 1, 2.5, 4, 5])) for i in range(40)]
    vectors = {text: made() for a, b, _ in pairs for text in (a, b)}
    evaluator = EmbeddingSimilarityEvaluator([a for a, _, _ in pairs], [b for _, b, _ in pairs], [s for _, _, s in pairs], main_similarity="cosine")
    scores = evaluator(Vectors(vectors))
    near = [int(score > 2) for _, _, score in pairs]
    cosines = torch.nn.functional.cosine_similarity(
        torch.tensor([vectors[a] for a, _, _ in pairs]), torch.tensor([vectors[b] for _, b, _ in pairs])
    )
    # Scores that are equal are one threshold.
    coarse = [round(float(one), 1) for one in cosines]
    return {
        "pairs": pairs, "vectors": vectors, "scores": {name: float(scores[f"{name}_cosine"]) for name in ("spearman", "pearson")},
        "near": near, "coarse": coarse, "averagePrecision": float(average_precision_score(near, coarse)),
    }


def main() -> None:
    graded, classes = [0.2, 1.0, 0.2, 0.0, 0.7], [0, 1, 0, 2, 1, 1, 2]
    cases = [
        case("MultipleNegativesRankingLoss", losses.MultipleNegativesRankingLoss, 2, 5),
        case("MultipleNegativesRankingLoss", losses.MultipleNegativesRankingLoss, 4, 3, scale=10.0),
        case("MultipleNegativesRankingLoss", losses.MultipleNegativesRankingLoss, 2, 5, widths=[6, 4, 2]),
        case("CoSENTLoss", losses.CoSENTLoss, 2, 5, graded),
        case("CoSENTLoss", losses.CoSENTLoss, 2, 5, graded, widths=[6, 3]),
        case("CosineSimilarityLoss", losses.CosineSimilarityLoss, 2, 5, graded),
        case("ContrastiveLoss", losses.ContrastiveLoss, 2, 5, [0.0, 1.0, 1.0, 0.0, 0.0], margin=0.8),
        case("OnlineContrastiveLoss", losses.OnlineContrastiveLoss, 2, 7, [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0], margin=1.2),
        case("OnlineContrastiveLoss", losses.OnlineContrastiveLoss, 2, 4, [1.0, 1.0, 1.0, 1.0]),
        case("OnlineContrastiveLoss", losses.OnlineContrastiveLoss, 2, 4, [0.0, 0.0, 0.0, 0.0], margin=1.4),
        case("OnlineContrastiveLoss", losses.OnlineContrastiveLoss, 2, 4, [0.0, 1.0, 0.0, 0.0], margin=1.4),
        case("TripletLoss", losses.TripletLoss, 3, 5),
        case("TripletLoss", losses.TripletLoss, 3, 5, triplet_margin=0.5),
        case("BatchAllTripletLoss", losses.BatchAllTripletLoss, 1, 7, classes, margin=1.0),
    ]
    made = {
        "sentenceTransformers": version("sentence-transformers"), "torch": version("torch"), "width": WIDTH,
        "cases": cases, "retrieval": retrieval(), "similarity": similarity(),
    }
    OUTPUT.write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
