"""What comes next, as text: lines from the memory of a repository, from a model, or from both joined."""
