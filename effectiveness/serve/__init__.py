"""Completions for editors: a repository's memory, a model or both, behind HTTP on the loopback."""
