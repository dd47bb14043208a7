"""Lessons of texts, which only the steps of a pipeline make numbers of."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from ensprune import EnsemblePruner, prune
from ensprune.distillation.sparse_synthesis import nearest_rows
from ensprune.distillation.texts import like, munge_texts, texts_of, word_counts
from ensprune.members.steps import reads_words

BAD = ["bad", "poor", "stale", "slow", "cold", "dear"]
GOOD = ["good", "fresh", "warm", "quick", "kind", "fair"]
WORDS = np.array([*BAD, *GOOD, "a", "the", "tea", "cup"])


def reviews(n_samples=300, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_samples)
    chance = np.ones((2, len(WORDS)))
    chance[0, :6] = chance[1, 6:12] = 1.8
    chance /= chance.sum(axis=1, keepdims=True)
    texts = [" ".join(rng.choice(WORDS, rng.integers(3, 12), p=chance[label])) for label in y]
    return texts, y


def polars_series(texts):
    return pytest.importorskip("polars").Series("text", texts)


FORMS = [
    list,
    np.array,
    lambda texts: np.array(texts, dtype=object),
    lambda texts: pd.Series(texts, index=range(5, 5 + len(texts)), name="text"),
    lambda texts: pd.Series(texts, dtype="string"),
    polars_series,
]


@pytest.mark.parametrize("form", FORMS)
def test_texts_are_known_in_every_form_and_given_back_in_it(form):
    given = form(reviews(20)[0])
    texts = texts_of(given)
    assert texts.tolist() == list(given)
    again = like(texts[:3], given)
    assert type(again) is type(given)
    assert list(again) == list(given)[:3]


def test_new_texts_of_a_categorical_series_are_in_no_category():
    given = pd.Series(["a b", "c d"], dtype="category", name="text")
    again = like(np.array(["a d"], dtype=object), given)
    assert again.tolist() == ["a d"]
    assert again.name == "text"


OTHERS = [
    [],
    [1, 2],
    ["a", None],
    [b"a", b"b"],
    np.eye(2),
    pd.DataFrame({"a": ["b"]}),
    pd.Index(["a", "b"]),
]


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_text_is_not_taken_for_one(other):
    assert texts_of(other) is None


def test_a_synthetic_text_has_each_word_as_often_as_one_of_two_near_texts():
    texts = texts_of(reviews(40)[0])
    drawn = munge_texts(texts, 200, 0, 3)
    near = nearest_rows(word_counts(texts), 3)
    counts = [Counter(text.split()) for text in texts]
    of_both = 0
    for text in drawn:
        found = Counter(text.split())

        def fits(own, other, found=found):
            known = set(own) | set(other) | set(found)
            return all(found[word] in (own[word], other[word]) for word in known)

        assert any(fits(counts[i], counts[j]) for i in range(40) for j in near[i])
        of_both += found not in counts
    assert of_both > 180
    assert munge_texts(texts, 200, 0, 3).tolist() == drawn.tolist()


def test_what_a_column_of_words_is_does_not_depend_on_other_texts():
    texts = texts_of(reviews(30)[0])
    assert (word_counts(texts)[:5] != word_counts(texts[:5])).nnz == 0


def test_pipelines_of_texts_are_taught():
    texts, y = reviews(700)
    forest = make_pipeline(TfidfVectorizer(), RandomForestClassifier(40, random_state=0))
    forest.fit(texts[:250], y[:250])
    fixed = {"validation": "oob", "refine": "leaves", "random_state": 0}

    def loss(model):
        return np.mean((model.predict_proba(texts[250:])[:, 1] - y[250:]) ** 2)

    cut = prune(forest, texts[:250], y[:250], target_size=5, validation="oob")
    small = prune(forest, texts[:250], y[:250], target_size=5, **fixed)
    assert loss(small) < min(loss(forest), 0.93 * loss(cut))
    same = prune(forest, pd.Series(texts[:250]), y[:250], target_size=5, **fixed)
    np.testing.assert_array_equal(same.predict_proba(texts), small.predict_proba(texts))


def test_an_unfitted_pipeline_of_texts_is_taught():
    texts, y = reviews(250)
    forest = make_pipeline(TfidfVectorizer(), RandomForestClassifier(30, random_state=0))
    pruner = EnsemblePruner(forest, 5, refine="leaves", random_state=0).fit(texts, y)
    assert pruner.refinement_.strength.taught


def parsed(texts):
    return np.array([[float(number) for number in text.split("-")] for text in texts])


def test_texts_that_are_not_read_as_words_are_not_mixed():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    dates = [f"{2000 + label}-{day}" for label, day in zip(y, rng.integers(1, 29, 80), strict=True)]
    forest = RandomForestClassifier(20, random_state=0)
    pipeline = make_pipeline(FunctionTransformer(parsed), forest).fit(dates, y)
    small = prune(
        pipeline, dates, y, target_size=4, validation="oob", refine="leaves", random_state=0
    )
    assert (small.predict(dates) == y).mean() > 0.9


def in_json(text):
    return json.loads(text)["text"]


class Parsing(TfidfVectorizer):
    def decode(self, doc):
        return in_json(doc)


def in_tokens(tokens):
    return tokens


VECTORIZERS = [
    TfidfVectorizer(preprocessor=in_json),
    TfidfVectorizer(tokenizer=lambda text: in_json(text).split(), token_pattern=None),
    CountVectorizer(analyzer=lambda text: in_json(text).split()),
    Parsing(),
]


@pytest.mark.parametrize("reads", VECTORIZERS)
def test_texts_that_a_user_parses_are_not_mixed(reads):
    texts, y = reviews(60)
    texts = [json.dumps({"text": text}) for text in texts]
    forest = make_pipeline(reads, RandomForestClassifier(10, random_state=0))
    pruner = EnsemblePruner(forest, 4, refine="leaves", random_state=0).fit(texts, y)
    assert not pruner.refinement_.strength.taught


def test_texts_in_tokens_are_not_mixed():
    texts, y = reviews(60)
    tokens = [text.split() for text in texts]
    reads = CountVectorizer(analyzer=in_tokens)
    forest = make_pipeline(reads, RandomForestClassifier(10, random_state=0))
    pruner = EnsemblePruner(forest, 4, refine="leaves", random_state=0).fit(tokens, y)
    assert not pruner.refinement_.strength.taught


def test_who_reads_words():
    reads = TfidfVectorizer()
    forest = RandomForestClassifier()
    assert reads_words(make_pipeline(reads, forest))
    assert reads_words(FrozenEstimator(make_pipeline(make_pipeline(reads), forest)))
    assert reads_words(make_pipeline(make_union(reads, HashingVectorizer()), forest))
    assert not reads_words(make_pipeline(make_union(reads, FunctionTransformer()), forest))
    assert not reads_words(make_pipeline(CountVectorizer(input="filename"), forest))
    assert not reads_words(forest)
