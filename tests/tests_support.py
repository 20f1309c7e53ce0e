"""Pieces that several tests need."""

from __future__ import annotations

from pathlib import Path


def save_judge(model: str, directory: Path) -> Path:
    """A pointwise judge with a random head on a tiny model, saved as a trained one is."""
    import torch

    from rewards.judge import new_judge, save_card

    classifier, tokenizer = new_judge(model)
    torch.manual_seed(1)
    torch.nn.init.normal_(classifier.score.weight)
    classifier.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    save_card(directory, name="test", trained_on={}, figures={})
    return directory
