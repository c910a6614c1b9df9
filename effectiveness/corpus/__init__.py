"""From a repository to a corpus: one module per stage, in the order the data takes."""
