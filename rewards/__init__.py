"""Judges and what they are used for: sampling replies, scoring them, difficulty, win rate, style marks.

Nothing here knows of curation, annotation or training; what comes in and goes out are tables of `schemas.judgements`.
"""
