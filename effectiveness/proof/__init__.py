"""The proof card: what a training bought, against a control, baselines and its own start."""
