"""spaCy's `ner` component, run over many texts at once.

The weights, the tokenizer and the transition system are spaCy's (TransitionBasedParser.v2 over Tok2Vec.v2, Honnibal and
others); only the order of the work is ours, which makes it several times as fast on a CPU:

- what a word's form alone decides (hash embeddings, vector, mixing layer) is worked out once a form and kept;
- all texts of a batch take their n-th decision together, as one small matrix product, instead of text by text.

Every product has one fixed shape, whatever the texts, so that a text gets the same numbers in any company.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ROWS = 512  # rows of a matrix product over tokens
TEXTS = 128  # texts that are decided on together
FORMS = 100_000  # forms kept: 40 MB


class BatchedNer:
    """The `ner` component of a spaCy pipeline that has its own `Tok2Vec.v2` with `MultiHashEmbed.v2`."""

    def __init__(self, pipeline: Any) -> None:
        ner = pipeline.get_pipe("ner")
        self._vocab = pipeline.vocab
        self._make_doc = pipeline.make_doc
        lower, upper = ner.model.get_ref("lower"), ner.model.get_ref("upper")
        tok2vec = ner.model.get_ref("tok2vec")
        embed, encode = tok2vec.layers[0].layers[:2]
        to_hidden = tok2vec.layers[-1]
        self._embed = embed
        self._encoder = [_Maxout(layer) for layer in _residuals(encode)]
        self._linear = to_hidden.get_param("W"), to_hidden.get_param("b")
        features = lower.get_param("W").transpose(0, 2, 1, 3)  # feature, piece, hidden, input
        self._hidden = features.shape[2]
        self._features = features.reshape(-1, features.shape[3]).copy()
        self._padding = lower.get_param("pad")[0].transpose(0, 2, 1).reshape(features.shape[0], -1)
        self._bias = lower.get_param("b").T.reshape(-1)
        self._upper = upper.get_param("W").T.copy(), upper.get_param("b")
        # `move_names` leaves out the move "U-", which only annotations given beforehand allow.
        self._moves([ner.moves.get_class_name(number) for number in range(ner.moves.n_moves)])
        self._known: dict[int, int] = {}
        self._vectors = np.zeros((0, embed.get_dim("nO")), np.float32)

    @staticmethod
    def fits(pipeline: Any) -> bool:
        """Whether the pipeline's `ner` is of the kind that this class knows."""
        config = pipeline.config["components"]["ner"].get("model", {})
        tok2vec = config.get("tok2vec", {})
        return (
            config.get("@architectures") == "spacy.TransitionBasedParser.v2"
            and tok2vec.get("@architectures") == "spacy.Tok2Vec.v2"
            and tok2vec.get("embed", {}).get("@architectures") == "spacy.MultiHashEmbed.v2"
            and tok2vec.get("encode", {}).get("@architectures") == "spacy.MaxoutWindowEncoder.v2"
            and tok2vec.get("encode", {}).get("window_size") == 1
            and pipeline.get_pipe("ner").model.attrs["has_upper"]
            and not pipeline.get_pipe("ner").model.attrs["unseen_classes"]
            and pipeline.get_pipe("ner").cfg.get("beam_width", 1) == 1
            and config.get("extra_state_tokens") is False
        )

    def entities(self, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        """Entities of each text, as characters (half open) and label.

        Args:
            texts: As many as should be in memory at once.
        """
        docs = [self._make_doc(text) for text in texts]
        order = sorted(range(len(docs)), key=lambda index: -len(docs[index]))
        found: list[list[tuple[int, int, str]]] = [[] for _ in docs]
        for at in range(0, len(order), TEXTS):
            some = [index for index in order[at : at + TEXTS] if len(docs[index])]
            for index, spans in zip(some, self._decide([docs[index] for index in some]), strict=True):
                doc = docs[index]
                found[index] = [
                    (doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label) for start, end, label in spans
                ]
        return found

    def _moves(self, names: Sequence[str]) -> None:
        """Which moves a state allows, as what is added to the scores."""
        self._labels = sorted({name[2:] for name in names if name[2:]})
        number = {label: index for index, label in enumerate(self._labels)}
        self._label_of = np.array([number.get(name[2:], -1) for name in names])
        self._kind_of = np.array([name[0] for name in names])
        rows = [{"B", "U", "O"}, {"U", "O"}, {"O"}]
        allowed = [[name[0] in row and name != "U-" for name in names] for row in rows]
        for label in self._labels:
            for row in ("IL", "L"):
                allowed.append([name[0] in row and name[2:] == label for name in names])
        self._mask = np.where(np.array(allowed), np.float32(0), np.float32(-np.inf)).astype(np.float32)

    def _rows(self, docs: Sequence[Any]) -> NDArray[np.int64]:
        """For each token of the texts, the row of its form among the kept vectors."""
        from spacy.attrs import NORM, ORTH
        from spacy.tokens import Doc

        pairs = np.concatenate([doc.to_array([ORTH, NORM]) for doc in docs])
        mixed, first, inverse = np.unique(
            pairs[:, 0] ^ (pairs[:, 1] * np.uint64(0x9E3779B97F4A7C15)), return_index=True, return_inverse=True
        )
        keys = mixed.tolist()
        new = [(key, *pairs[at].tolist()) for key, at in zip(keys, first, strict=True) if key not in self._known]
        if new:
            if len(self._known) + len(new) > FORMS:
                self._known, self._vectors = {}, self._vectors[:0]
                new = [(key, *pairs[at].tolist()) for key, at in zip(keys, first, strict=True)]
            strings = self._vocab.strings
            blocks = [self._vectors]
            for at in range(0, len(new), ROWS):
                some = new[at : at + ROWS]
                some += [some[0]] * (ROWS - len(some))
                doc = Doc(self._vocab, words=[strings[orth] for _, orth, _ in some])
                for token, (_, _, norm) in zip(doc, some, strict=True):
                    token.norm_ = strings[norm]
                blocks.append(self._embed.predict([doc])[0][: len(new) - at])
            self._known.update((key, len(self._vectors) + index) for index, (key, _, _) in enumerate(new))
            self._vectors = np.concatenate(blocks)
        rows = np.array([self._known[key] for key in keys], np.int64)
        return rows[inverse.reshape(-1)]

    def _decide(self, docs: Sequence[Any]) -> list[list[tuple[int, int, str]]]:
        """Entities of at most `TEXTS` texts, as tokens (half open) and label."""
        lengths = np.array([len(doc) for doc in docs])
        pad = len(self._encoder)  # rows of nothing between texts: none sees another
        firsts = pad + np.concatenate([[0], np.cumsum(lengths[:-1] + pad)])
        total = int(firsts[-1] + lengths[-1] + pad)
        places = np.concatenate([np.arange(first, first + n) for first, n in zip(firsts, lengths, strict=True)])
        tokens = np.zeros((-(-total // ROWS) * ROWS, self._vectors.shape[1]), np.float32)
        kept = self._rows(docs)
        tokens[places] = self._vectors[kept]
        for layer in self._encoder:
            wide = np.zeros((len(tokens), 3, tokens.shape[1]), np.float32)
            wide[1:total, 0], wide[:total, 1], wide[: total - 1, 2] = (
                tokens[: total - 1],
                tokens[:total],
                tokens[1:total],
            )
            tokens = tokens + layer(wide.reshape(len(tokens), -1))
        vectors = _product(tokens, self._linear[0]) + self._linear[1]
        cached = _product(vectors, self._features).reshape(len(vectors), len(self._padding), -1)

        from spacy.attrs import IS_SPACE

        count, steps = len(docs), max(map(len, docs))
        spaces = np.zeros((count, steps), bool)
        for index, doc in enumerate(docs):
            spaces[index, : len(doc)] = doc.to_array(IS_SPACE)
        opened = np.full(count, -1)  # token at which the open entity began
        label = np.full(count, -1)
        found: list[list[tuple[int, int, str]]] = [[] for _ in docs]
        hidden = np.zeros((TEXTS, self._hidden), np.float32)
        for step in range(steps):
            here = np.minimum(step, lengths - 1) + firsts
            is_open = opened >= 0
            state = cached[here, 0]
            state = state + np.where(is_open[:, None], cached[opened + firsts, 1], self._padding[1])
            state = state + np.where(is_open[:, None], cached[here - 1, 2], self._padding[2]) + self._bias
            hidden[:count] = _largest(state, self._hidden)
            scores = (hidden @ self._upper[0])[:count] + self._upper[1]
            last = step >= lengths - 1
            row = np.where(is_open, 3 + 2 * label + last, np.where(spaces[:, step], 2, last))
            moves = (scores + self._mask[row]).argmax(axis=1)
            kinds = self._kind_of[moves]
            active = step < lengths
            for index in np.flatnonzero(active & (kinds != "O") & (kinds != "I")).tolist():
                kind = kinds[index]
                if kind == "B":
                    opened[index], label[index] = step, self._label_of[moves[index]]
                else:
                    start = step if kind == "U" else int(opened[index])
                    found[index].append((start, step + 1, self._labels[self._label_of[moves[index]]]))
                    opened[index] = label[index] = -1
        return found


class _Maxout:
    """A maxout layer with layer normalisation, of thinc's."""

    def __init__(self, layer: Any) -> None:
        maxout = next(part for part in layer.walk() if part.name == "maxout")
        norm = next(part for part in layer.walk() if part.name == "layernorm")
        weights = maxout.get_param("W")  # output, piece, input
        # Piece by piece, for a maximum over an inner axis of three is slow.
        self._outputs, self._pieces = weights.shape[:2]
        self._weights = weights.transpose(1, 0, 2).reshape(-1, weights.shape[2]).copy()
        self._bias = maxout.get_param("b").T.reshape(-1).copy()
        self._gain, self._shift = norm.get_param("G"), norm.get_param("b")

    def __call__(self, rows: Floats) -> Floats:
        best = _largest(_product(rows, self._weights) + self._bias, self._outputs)
        centred = best - best.mean(axis=1, keepdims=True)
        spread = (centred * centred).mean(axis=1, keepdims=True) + np.float32(1e-8)
        return centred * spread ** np.float32(-0.5) * self._gain + self._shift


def _residuals(encode: Any) -> list[Any]:
    return [part for part in encode.walk() if part.name.startswith("residual(") and ">>residual(" not in part.name]


def _largest(pieces: Floats, size: int) -> Floats:
    """The largest of several pieces of this size, which stand side by side."""
    best = pieces[:, :size]
    for at in range(size, pieces.shape[1], size):
        best = np.maximum(best, pieces[:, at : at + size])
    return best


def _product(rows: Floats, weights: Floats) -> Floats:
    """Rows times weights transposed, in blocks of one shape."""
    blocks = rows.reshape(-1, ROWS, rows.shape[1]) @ weights.T
    return blocks.reshape(len(rows), -1)
