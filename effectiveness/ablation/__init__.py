"""Ablations: arms out of one dataset, their runs, what is kept of them, and the tables."""
