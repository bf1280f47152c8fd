"""Heads over the vocabulary at masked tokens, of every encoder that has one: tied to the embeddings and not."""

from transformers import (
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    MPNetConfig,
    MPNetForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

import family_deberta
import family_distilbert
import family_modernbert
import family_mpnet
from families import Case, Head

TARGETS = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"
COMMON = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
SMALL = {**COMMON, "max_position_embeddings": 10, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
DISTIL = {"vocab_size": 30, "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8, "max_position_embeddings": 10}


def cases() -> list[Case]:
    def case(name, config, model_class, targets=TARGETS, longest=10, whole_head=None):
        head = Head("MASKED_LM", "masked", model_class)
        lengths = {"padding": [7, 5]}
        return Case(name, config, [head], targets, longest, model_class, lengths=lengths, beside=3, whole_head=whole_head)

    deberta = {**family_deberta.V3, **SMALL, "position_buckets": 4}
    modern = {**family_modernbert.SIZES, **COMMON, "num_hidden_layers": 2, "max_position_embeddings": 10}
    distil = DistilBertConfig(**DISTIL, dropout=0.0, attention_dropout=0.0)
    mpnet = MPNetConfig(**{**SMALL, "max_position_embeddings": 12})
    return [
        case("bert-masked", BertConfig(**SMALL, hidden_act="relu"), BertForMaskedLM, whole_head="cls.predictions.transform"),
        case("bert-masked-untied", BertConfig(**SMALL, tie_word_embeddings=False), BertForMaskedLM),
        case("roberta-masked", RobertaConfig(**{**SMALL, "max_position_embeddings": 12}), RobertaForMaskedLM),
        case("xlm-roberta-masked", XLMRobertaConfig(**SMALL), XLMRobertaForMaskedLM, longest=8),
        case("distilbert-masked", distil, DistilBertForMaskedLM, family_distilbert.TARGETS),
        case("electra-masked", ElectraConfig(**SMALL, embedding_size=4, hidden_act="relu"), ElectraForMaskedLM),
        case("mpnet-masked", mpnet, MPNetForMaskedLM, family_mpnet.TARGETS),
        case("deberta-masked", DebertaV2Config(**deberta), DebertaV2ForMaskedLM, family_deberta.TARGETS),
        case("deberta-masked-own", DebertaV2Config(**deberta, legacy=False), DebertaV2ForMaskedLM, family_deberta.TARGETS),
        case("modernbert-masked", ModernBertConfig(**modern), ModernBertForMaskedLM, family_modernbert.TARGETS),
    ]
