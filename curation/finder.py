"""What finds personal data in a text: our recognisers, names by table and engine, and Presidio recognisers of yours.

Each distinct text is analysed once and for itself: neither its neighbours nor the size of a batch change what is found
in it. The engine, which costs most, sees only texts that hold a word that could be a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation import engines
from curation.engines import EMBEDDED
from curation.found import Found
from curation.recognisers import FINDERS
from curation.recognisers.names import names, read
from schemas.curation_recipe import Scrub
from schemas.problems import Problem

BLOCK = 4096  # texts at once: what they hold in memory does not grow with the input


class Finder:
    """Finds personal data in texts.

    Attributes:
        language: ISO 639-1 code of the engine's language, "en" where it speaks English among others; names that it
            finds count in texts of its languages only.
        languages: All languages of the engine; None where it speaks any.
        embedded: Whether the model is the one that stands in for a better one.
    """

    def __init__(self, settings: Scrub) -> None:
        self.engine = engines.load(settings)
        self.languages = self.engine.languages
        self.language = "en" if self.languages is None or "en" in self.languages else min(self.languages)
        self.embedded = settings.model == EMBEDDED
        self._analyzer: Any = _analyzer(settings.recognisers) if settings.recognisers else None
        self._min_score = settings.min_score

    def __call__(
        self, texts: Sequence[str], tag: Sequence[bool], english: Sequence[bool] | None = None
    ) -> list[list[Found]]:
        """Find personal data.

        Args:
            texts: Any number of texts.
            tag: For each text, whether it is in a language of the engine's.
            english: For each text, whether it is English, for the table of names; None takes `tag` for an English
                engine and False for others.

        Returns:
            Findings by text, in order, not overlapping.

        Raises:
            Exception: What an engine raised on any of the texts; whoever asks finds out on which (`rowsteps` does).
        """
        english = english or (list(tag) if self.language == "en" else [False] * len(texts))
        asked = dict.fromkeys(zip(texts, tag, english, strict=True))
        distinct = list(asked)
        found: dict[tuple[str, bool, bool], list[Found]] = {}
        for at in range(0, len(distinct), BLOCK):
            block = distinct[at : at + BLOCK]
            found.update(zip(block, self._block(block), strict=True))
        return [found[key] for key in zip(texts, tag, english, strict=True)]

    def _block(self, asked: Sequence[tuple[str, bool, bool]]) -> list[list[Found]]:
        readings = [read(text, english) for text, _, english in asked]
        wanted = list(dict.fromkeys(r.recased for r, (_, tag, _) in zip(readings, asked, strict=True) if r and tag))
        entities = dict(zip(wanted, self.engine.entities(wanted), strict=True))
        found = []
        for (text, tag, _), reading in zip(asked, readings, strict=True):
            hits = [
                hit if hit.recogniser else hit._replace(recogniser=finder.__name__)
                for finder in FINDERS
                for hit in finder(text)
            ]
            if reading is not None:
                hits += names(reading, entities[reading.recased] if tag else None)
            if self._analyzer is not None:
                hits += self._presidio(text)
            found.append(merged([hit for hit in hits if hit.score >= self._min_score]))
        return found

    def _presidio(self, text: str) -> list[Found]:
        return [
            Found(hit.start, hit.end, hit.entity_type, hit.score, (hit.recognition_metadata or {})["recognizer_name"])
            for hit in self._analyzer.analyze(text, "en", score_threshold=self._min_score)
        ]


def _analyzer(paths: Sequence[str]) -> Any:
    """Presidio's analyzer with the recognisers of YAML files; it applies them to texts of every language."""
    import spacy
    import yaml
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    registry = RecognizerRegistry(supported_languages=["en"])
    for path in paths:
        try:
            listed = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["recognizers"]
            for settings in listed:
                registry.add_pattern_recognizer_from_dict({**settings, "supported_language": "en"})
        except OSError:
            raise Problem(f"curation.scrub.recognisers: {path}: no such file; expected a YAML file.") from None
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise Problem(
                f"curation.scrub.recognisers: {path}: {type(error).__name__}; expected a list `recognizers` in "
                "Presidio's format: name, supported_entity, patterns (name, regex, score), context."
            ) from None
    # Context words are looked for among lemmas: words in lower case serve where no model lemmatises.
    pipeline = spacy.blank("en")
    tokenize = pipeline.tokenizer

    def lowered(text: str) -> Any:
        doc = tokenize(text)
        for token in doc:
            token.lemma_ = token.lower_
        return doc

    pipeline.tokenizer = lowered
    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": pipeline}
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def merged(found: Sequence[Found]) -> list[Found]:
    """Overlapping findings as one over the whole stretch, so that no end stays readable; the longest names it."""
    parts: list[Found] = []
    for item in sorted(found):
        last = parts[-1] if parts else None
        if last and item.start < last.end:
            name = max(last, item, key=lambda f: (f.end - f.start, f.score, f.type))
            parts[-1] = name._replace(start=last.start, end=max(last.end, item.end))
        else:
            parts.append(item)
    return parts
