"""Completions for editors: a repository's memory, a model or both, behind HTTP on the loopback."""

NAME = "effectiveness-qwen-coder"  # Continue chooses the spelling of a gap by the model's name
