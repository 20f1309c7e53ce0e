"""Raw logs to scrubbed, safe, varied, balanced turns.

`curation.readers` makes turns of what people have, `curation.pipeline` runs every step over them;
`python -m curation run RECIPE` is both on the command line.
"""
