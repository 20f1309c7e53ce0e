"""The recipe's section `curation`: raw logs to scrubbed, safe, varied, balanced turns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from schemas.section import Section, Share
from schemas.turns import LOCALE_PATTERN

LANGUAGE_PATTERN = r"^[a-z]{2,3}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
LanguageCode = Annotated[str, Field(pattern=LANGUAGE_PATTERN)]
Weight = Annotated[float, Field(gt=0, le=1000)]

HUB_FORMATS = ("wildchat", "lmsys")
"""Formats whose input may be the name of a data set instead of a path."""


def _are_locales(value: dict[str, Any]) -> dict[str, Any]:
    for locale in value:
        if not re.match(LOCALE_PATTERN, locale):
            raise ValueError(f"{locale!r} is not a BCP-47 locale such as pt-BR")
    return value


class Scrub(Section):
    """Personal data: found, and replaced by keyed placeholders or surrogates."""

    engine: Literal["spacy", "transformers", "gliner"] = "spacy"
    """Which of Presidio's engines looks for names beside our own table of names."""
    model: str = Field("en_core_web_md", min_length=1)
    """The engine's model: spaCy package or path, Hugging Face name in the local cache or path. `en_core_web_md` is the
    embedded one, of spaCy's; the other engines need one of their own."""
    languages: tuple[LanguageCode, ...] | None = Field(None, min_length=1)
    """ISO 639-1 codes of the languages that the model speaks; it is asked about texts in these only. Null takes a spaCy
    model's own language, and every language for the other engines."""
    recognisers: tuple[str, ...] = ()
    """YAML files with recognisers of yours, in Presidio's own format (`recognizers: [...]`)."""
    min_score: float = Field(0.4, ge=0, le=1)
    """Findings below this confidence are left alone: lower masks more harmless words, higher leaks more."""
    replace: Literal["placeholder", "surrogate"] = "placeholder"
    """`surrogate` puts other names and numbers of the same form: natural, but nobody can see what was missed."""
    key_file: str | None = None
    """32 random bytes, mode 0600, made at first use; null keeps it in the run_dir. Losing it unlinks generations."""

    @model_validator(mode="after")
    def _own_model(self) -> Scrub:
        if self.engine != "spacy" and self.model == "en_core_web_md":
            raise ValueError(f"engine {self.engine} needs a model of its own; en_core_web_md is spaCy's")
        return self


class Bounds(Section):
    """Where dropping and looking begin; what is left out comes from the next wider rule."""

    drop_above: float | None = Field(None, gt=0, le=1)
    """Above this a turn is dropped; 1 never drops."""
    review_above: float | None = Field(None, gt=0, le=1)
    """Above this, up to `drop_above`, a turn goes to people; 1 never asks."""

    @model_validator(mode="after")
    def _order(self) -> Bounds:
        if self.drop_above and self.review_above and self.review_above > self.drop_above:
            raise ValueError("review_above is higher than drop_above; expected review_above <= drop_above")
        return self


DetoxifyModel = Literal["original", "unbiased", "multilingual", "original-small", "unbiased-small"]

_BY_LABEL = {"harmful_request": Bounds(drop_above=1, review_above=0.9)}


class Safety(Section):
    """Which turns are too toxic to learn from: keep, drop, or a grey band that people look at.

    The narrowest rule that names a bound decides: locale and label, locale, language and label, language,
    `other_languages`, label, and last the two plain bounds.
    """

    scorer: Literal["embedded", "detoxify"] = "embedded"
    """`detoxify` with a `model` or `checkpoint`; `embedded` is a small head of ours, named as such in every report."""
    model: DetoxifyModel | None = None
    """A Detoxify model by name; its files are looked for in `folder`. Nothing is downloaded."""
    folder: str | None = None
    """Where the files of `model` lie; null looks in torch hub's and Hugging Face's caches."""
    checkpoint: str | None = None
    """Detoxify checkpoint file of your own. It is unpickled: give `checkpoint_sha256` with it."""
    checkpoint_sha256: str | None = Field(None, pattern=SHA256_PATTERN)
    """sha256 of the checkpoint, checked before it is opened. A `model` without it is checked against the first eight
    digits, which its file's name carries."""
    drop_above: float = Field(0.95, gt=0, le=1)
    """Turns with a score above this are dropped."""
    review_above: float = Field(0.6, gt=0, le=1)
    """Turns between this and `drop_above` are kept and go to people: scorers over-block banter."""
    labels: dict[str, Bounds] = Field({})
    """Bounds of a label that the scorer tells, for example `abuse: {drop_above: 0.9}`. `harmful_request` goes to people
    from 0.9 and is never dropped, unless it is named here."""
    locales: dict[str, dict[str, Bounds]] = Field({})
    """Bounds in a locale (`pt-BR`) or a language (`pt`), by label or for `any`."""
    other_languages: Bounds = Bounds(drop_above=1, review_above=0.95)
    """Bounds where the scorer does not speak the language: its scores mean little there, so nothing is dropped."""

    @field_validator("locales")
    @classmethod
    def _locales(cls, value: dict[str, dict[str, Bounds]]) -> dict[str, dict[str, Bounds]]:
        return _are_locales(value)

    @model_validator(mode="after")
    def _band(self) -> Safety:
        if self.review_above > self.drop_above:
            raise ValueError("review_above is higher than drop_above; expected review_above <= drop_above")
        own = bool(self.checkpoint and self.checkpoint_sha256)
        if self.scorer == "detoxify" and not (self.model or own):
            raise ValueError("scorer detoxify needs checkpoint and checkpoint_sha256, or model")
        if self.model and self.checkpoint:
            raise ValueError("model and checkpoint are both given; expected one of them")
        return self

    def bounds(self, label: str, locale: str, spoken: bool) -> tuple[float, float]:
        """Where dropping and looking begin; looking never begins above dropping.

        Args:
            label: Of the score.
            locale: BCP-47.
            spoken: Whether the scorer speaks the locale's language.
        """
        here, language = self.locales.get(locale, {}), self.locales.get(locale.split("-")[0], {})
        rules = [here.get(label), here.get("any"), language.get(label), language.get("any")]
        rules += [None if spoken else self.other_languages, self.labels.get(label), _BY_LABEL.get(label)]
        drop, review = self.drop_above, self.review_above
        for rule in reversed([rule for rule in rules if rule]):
            drop = rule.drop_above if rule.drop_above is not None else drop
            review = rule.review_above if rule.review_above is not None else review
        return drop, min(review, drop)


class Language(Section):
    """Which languages stay."""

    keep: tuple[LanguageCode, ...] | None = Field(None, min_length=1)
    """ISO 639-1 codes; null keeps all."""
    min_confidence: float = Field(0.5, ge=0, le=1)
    """Below this a text counts as `und` (undetermined), which always stays."""


class Embedding(Section):
    """Sentence embeddings, for clusters and near-duplicates."""

    model: str = Field("all-minilm-l6-v2", min_length=1)
    """Any sentence-transformers model by name or path, or `all-minilm-l6-v2` for the embedded one."""
    batch_size: PositiveInt = 16
    """Texts a batch at 32 tokens, more of shorter ones; 32 times as many on a GPU. On a CPU larger is not faster."""


class Clusters(Section):
    """Topics, by k-means over embeddings."""

    count: PositiveInt | None = None
    """How many; null takes the square root of the number of turns, at most 4,096."""


class NearDuplicates(Section):
    """Turns that repeat another, exactly or nearly; both messages have to."""

    similarity: float = Field(0.82, gt=0, le=1)
    """Cosine from which two messages mean the same where few words differ; more where more do. Lower drops more."""
    added: float = Field(0.8, ge=0, le=1)
    """Most that one message may say more than the other, as a share of what they say (words weighed by how rare they
    are): fillers, and ends cut off. Lower drops less."""
    least_words: int = Field(6, ge=0)
    """Turns with fewer words, both messages together, repeat each other within a conversation only."""
    minhash_above: PositiveInt = 800
    """Letters from which a message is compared by MinHash: embedding models read no further than about 1,000."""
    minhash_similarity: float = Field(0.5, gt=0, le=1)
    """Share of three-word shingles (Jaccard) from which two long messages repeat each other."""


class Band(Section):
    """A share of what is chosen, from `min` to `max`."""

    min: Share = Field(0.0, ge=0, le=1)
    """Floor."""
    max: Share = Field(1.0, ge=0, le=1)
    """Ceiling."""

    @model_validator(mode="after")
    def _order(self) -> Band:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; expected min <= max")
        return self


class Weights(Section):
    """What a turn counts for in what is maximised: the product of the weights that apply to it. Shares count turns."""

    locales: dict[str, Weight] = Field({})
    """Weight of a turn in each locale named here; the others count 1."""
    first_turns: Weight = 1.0
    """Weight of turns with `turn_index` 0."""
    hard_turns: Weight = 1.0
    """Weight of hard turns; counts only once difficulty has been measured."""

    @field_validator("locales")
    @classmethod
    def _locales(cls, value: dict[str, float]) -> dict[str, float]:
        return _are_locales(value)


class Quotas(Section):
    """Shares of the chosen set, all of them at once."""

    total: PositiveInt | None = None
    """At most this many turns; null keeps as many as the shares allow."""
    max_persona_share: Share = Field(0.03, gt=0, le=1)
    """No persona has more than this of what is chosen."""
    locales: dict[str, Band] = Field({})
    """Band for each locale named here; the others are free."""
    first_turns: Band = Band()
    """Band for turns with `turn_index` 0."""
    hard_turns: Band = Band()
    """Band for the hardest third by reward variance; counts only once difficulty has been measured."""
    weights: Weights = Weights()
    """What a turn counts for; with all at 1, as many turns as possible are kept."""
    soft: dict[str, Annotated[float, Field(gt=0)]] = Field({})
    """Bands that may give way, each at a price: the turns that one percentage point has to bring to be given. Keys are
    `locale pt-BR` (any that `locales` names), `first turns` and `hard turns`."""
    expected_discards: Share = Field(0.0, ge=0, le=0.9)
    """Share that people are expected to throw away. Every share is held with a margin, so that it still holds when up
    to this much of any persona or band, and of the turns outside it, is gone. `total` stays: it is what people get."""

    @field_validator("locales")
    @classmethod
    def _locales(cls, value: dict[str, Band]) -> dict[str, Band]:
        if sum(band.min for band in _are_locales(value).values()) > 1:
            raise ValueError("the floors add up to more than 1")
        return value

    @model_validator(mode="after")
    def _soft(self) -> Quotas:
        names = [*(f"locale {name}" for name in self.locales), "first turns", "hard turns"]
        for name in self.soft:
            if name not in names:
                raise ValueError(f"soft: {name!r} is none of the bands here; expected one of {', '.join(names)}")
        return self


class Window(Section):
    """Which turns are near the policy: replies of an old model, or to old habits, teach the wrong lesson."""

    max_age_days: float | None = Field(None, gt=0)
    """Turns older than this are dropped; null keeps all."""
    as_of: datetime | None = None
    """Age is counted back from here; null takes the newest turn of the input, so that a run can be repeated."""
    model_versions: tuple[str, ...] | None = Field(None, min_length=1)
    """Only replies that these policies wrote; null keeps all."""

    @field_validator("as_of")
    @classmethod
    def _zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Curation(Section):
    """Raw logs to scrubbed, safe, varied, balanced turns."""

    input: str = "traffic.parquet"
    """File or directory of logs."""
    format: Literal["turns", "messages", "sharegpt", "wildchat", "lmsys", "hh-rlhf", "persona-chat"] = "turns"
    """What the logs look like."""
    personas: str | None = None
    """YAML list of personas; null where the logs carry their own system prompts."""
    locale: str = Field("en-US", pattern=LOCALE_PATTERN)
    """Locale of logs that name none."""
    shard_rows: PositiveInt = 2000
    """Turns worked on at once: memory grows with it, results do not change."""
    max_line_bytes: PositiveInt = 1_000_000
    """Longer lines of a text file are quarantined unread."""
    workers: PositiveInt | None = None
    """Processes for the steps that models do, each with models of its own (about 1 GiB); null takes one a core. Results
    do not change."""
    store: str | None = Field(None, min_length=1)
    """Where results by row are kept, so that a later run works on new rows only; null: `curation-store` beside the
    output. It holds scrubbed text."""
    difficulty: str | None = None
    """Parquet with `turn_id` and `difficulty`, as the stage `score` of an earlier generation writes it; null: no turn
    is known to be hard, and `quotas.hard_turns` asks for nothing."""
    window: Window = Window()
    scrub: Scrub = Scrub()
    safety: Safety = Safety()
    language: Language = Language()
    embedding: Embedding = Embedding()
    clusters: Clusters = Clusters()
    near_duplicates: NearDuplicates = NearDuplicates()
    quotas: Quotas = Quotas()
