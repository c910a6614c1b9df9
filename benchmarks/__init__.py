"""Side-by-side measurements, each printing ratios; `results/` keeps what was measured, with command and commit."""
