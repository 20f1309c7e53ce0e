"""The contracts: what passes between the stages, and the recipe that sets them.

This package imports nothing else of ours, and nothing heavy: Polars and pydantic are as far as it goes.

- `turns`, `judgements`: tables, as dataframely schemas. What fits goes on; what does not becomes a dead letter.
- `personas`, `release`: single records, as pydantic models.
- `recipe`: the settings of a whole cycle, and the sentences that say what is wrong with them.
- `stage`: a stage is a function from files to files, done when its `manifest.json` is written.
- `problems`: wrong input, told in a sentence.
"""
