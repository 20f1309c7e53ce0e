"""The cycle: SFT, DPO and RL on TRL, evaluation, the A/B test, the ledger, and the command that turns it all."""
