"""The recipe: every setting of a cycle in one YAML file, each with what moving it does.

The same recipe runs on a laptop and on a cluster with other numbers in it. Paths in a recipe are relative to the recipe
file. A key that is not known is an error, never ignored; `read_recipe` answers with one sentence for each mistake.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from schemas.curation_recipe import Curation
from schemas.precision import Precision
from schemas.section import Section, Share


class Policy(Section):
    """The model that is being made better."""

    model: str = "smollm2-135m-instruct"
    """Where generation 1 starts: a Hugging Face name, a path, or `smollm2-135m-instruct` for the embedded one."""
    max_prompt_tokens: PositiveInt = 256
    """Longer prompts lose their oldest messages; the persona's system prompt and the user's last message stay."""


class Decoding(Section):
    """How replies are sampled."""

    max_new_tokens: PositiveInt = 48
    """Longest reply; chat replies are short, and time grows with it."""
    temperature: float = Field(1.0, gt=0, le=5)
    """Higher is more varied."""
    min_p: float = Field(0.05, ge=0, lt=1)
    """Tokens less likely than this share of the likeliest are never sampled. Unlike top-p it needs no sort of the whole
    vocabulary, which costs a small model more than its own step on a CPU."""
    batch_size: PositiveInt = 32
    """Replies a batch."""


class Sample(Section):
    """Replies to be compared by people."""

    prompts: int = Field(160, ge=34)
    """Prompts drawn from the curated turns, under the persona cap again; 34 is the least that can hold 3 %."""
    languages: tuple[str, ...] | None = None
    """Only prompts in these languages; name those that the policy speaks."""
    held_out_share: Share = Field(0.25, gt=0, lt=1)
    """Share of conversations set aside: never trained on; judge and release are measured on them."""
    decoding: Decoding = Decoding()


class Annotation(Section):
    """Who compares the replies, and where."""

    annotators: Literal["people", "simulated"] = "people"
    """`people`: the cycle hands out tasks, stops, and goes on when they are answered. `simulated`: a rehearsal."""
    tool: Literal["folder", "argilla"] = "folder"
    """Where they do it. `folder`: tasks and answers are files of the generation. `argilla`: in the browser, on the
    server of `python -m annotation serve`, or on the one that ARGILLA_API_URL and ARGILLA_API_KEY name; a rehearsal
    starts a server of its own, in the generation."""
    votes: PositiveInt = 3
    """Annotators per pair."""
    enough: Share = Field(1.0, gt=0, le=1)
    """Share of all votes with which the cycle goes on. Annotators discard some pairs for good: below 1 does not wait
    for those."""
    min_agreement: float = Field(0.6, ge=0.5, le=1)
    """Pairs on which fewer agree teach nothing and are dropped, with the reason."""


class Optimiser(Section):
    """What every trainer shares."""

    learning_rate: float = Field(1e-5, gt=0, lt=1)
    """Peak learning rate; linear decay to zero."""
    batch_size: PositiveInt = 8
    """Rows a step."""
    micro_batch_size: PositiveInt | None = None
    """Rows at once; smaller saves memory and changes nothing else. Null takes the whole batch."""
    save_steps: PositiveInt = 20
    """Steps between checkpoints; a resume goes on from the last."""

    @model_validator(mode="after")
    def _micro(self) -> Optimiser:
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class Supervised(Optimiser):
    """What trainers on fixed rows share."""

    epochs: float = Field(1.0, gt=0)
    """Passes over the data."""
    max_length: PositiveInt = 320
    """Tokens of prompt and reply; rows that are longer are dropped and counted."""


class Judge(Supervised):
    """The pointwise judge: one score a reply, Bradley-Terry, from the policy's own base."""

    centre: float = Field(0.01, ge=0)
    """Pull of scores towards zero mean (TRL's center_rewards_coefficient)."""
    frozen_layers: int = Field(0, ge=0)
    """Lowest layers that stay as they are, with the embeddings: faster, and fewer weights for few pairs to overfit."""


class Score(Section):
    """Best of k: replies sampled again, scored by the judge."""

    prompts: int = Field(96, ge=34)
    """Prompts, from conversations that are not held out."""
    replies: int = Field(4, ge=4)
    """Replies a prompt (K). Four is the least that difficulty can be told from."""
    decoding: Decoding = Decoding()


class SFT(Supervised):
    """Supervised fine-tuning on the best of k."""

    rows: int = Field(64, ge=34)
    """Rows of the mixture at most."""
    min_gain: float = Field(0.0, ge=0)
    """The best reply has to beat the mean of its prompt's k by this many standard deviations of all scores."""


class DPO(Supervised):
    """A small preference patch."""

    pairs: int = Field(48, ge=34)
    """Pairs at most: best against worst of k, and what people preferred."""
    beta: float = Field(0.1, gt=0)
    """How firmly the model is held to its start."""
    sft_weight: float = Field(0.2, ge=0)
    """Weight of the SFT loss on the chosen reply beside the sigmoid loss."""


class RL(Optimiser):
    """GRPO against the judge, on prompts the policy is unsure about. No other reward can be named here."""

    prompts: int = Field(40, ge=34)
    """Prompts of the highest difficulty; those under the noise floor are left out."""
    steps: PositiveInt = 6
    """Optimiser steps."""
    generations: int = Field(4, ge=2)
    """Replies a prompt (the group)."""
    iterations: PositiveInt = 1
    """Passes over each batch of replies; with 1 the probability ratio is 1 and `clip` has nothing to cut."""
    clip: float = Field(0.2, gt=0, lt=1)
    """Clip range of the probability ratio."""
    beta: float = Field(0.04, gt=0)
    """Weight of the KL to the reference; never zero."""
    ema_alpha: float = Field(0.05, gt=0, lt=1)
    """After each step the reference moves this much towards the policy."""
    noise_floor: float = Field(0.02, ge=0)
    """Prompts whose standard deviation of scores is below this share of the overall one are left out."""
    decoding: Decoding = Decoding()


class Evaluation(Section):
    """The release against its parent, on held-out conversations."""

    prompts: int = Field(64, ge=34)
    """Held-out prompts at most."""
    replies: PositiveInt = 2
    """Replies a prompt and model; the interval is over prompts."""
    bootstrap: int = Field(2000, ge=200)
    """Bootstrap resamples."""
    win_rate_ceiling: float = Field(0.65, gt=0.5, lt=1)
    """Above this the judge is being gamed: the release is held."""
    max_style_rise: float = Field(0.15, gt=0, le=1)
    """Largest rise of any style mark's share of replies (emoji, lists, preaching, walls of text, broken character)."""
    max_length_ratio: float = Field(1.5, gt=1)
    """Largest ratio of mean reply lengths, release to parent."""
    decoding: Decoding = Decoding()


class Experiment(Section):
    """The A/B test: breadth (how many engage) and depth (how much)."""

    users: Literal["people", "simulated", "none"] = "none"
    """`people`: the cycle stops until results are there. `simulated`: a rehearsal. `none`: no release, only hold."""
    simulated_users: int = Field(2000, ge=100)
    """How many users the rehearsal invents."""


class Recipe(Section):
    """A cycle: every stage's settings."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Name of the product line; the ledger keeps releases by it."""
    seed: int = Field(20, ge=0, lt=2**31)
    """All randomness comes from it and from ids."""
    run_dir: str = "../runs"
    """Where generations and the ledger go."""
    precision: Precision = "auto"
    """`auto` takes bfloat16 where CPU or GPU has it; master weights stay float32."""
    policy: Policy = Policy()
    curation: Curation = Curation()
    sample: Sample = Sample()
    annotation: Annotation = Annotation()
    judge: Judge = Judge()
    score: Score = Score()
    sft: SFT = SFT()
    dpo: DPO = DPO()
    rl: RL = RL()
    evaluation: Evaluation = Evaluation()
    experiment: Experiment = Experiment()

    @model_validator(mode="after")
    def _rl_batches(self) -> Recipe:
        if self.rl.save_steps % self.rl.iterations:
            raise ValueError(
                f"rl.save_steps {self.rl.save_steps} is not a multiple of rl.iterations {self.rl.iterations}: replies "
                "in use are not in a checkpoint"
            )
        if self.rl.batch_size % self.rl.generations:
            raise ValueError(
                f"rl.batch_size {self.rl.batch_size} is not a multiple of rl.generations {self.rl.generations}"
            )
        return self
