"""Trains a causal language model on a dataset that `corpus` built, and says honestly what it was worth."""
