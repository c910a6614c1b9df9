"""The Modelfile by which Ollama takes a GGUF file: its context, where an answer ends, and how a gap is written."""

from __future__ import annotations

from effectiveness.gguf.writing import Source

WRITTEN_BY = "# Written by effectiveness gguf"


def modelfile(source: Source, weights: str, adapter: str = "") -> str:
    """For `weights`, and an `adapter` over them, files beside it. Without `.Suffix` Ollama refuses to fill gaps."""
    control, texts = source.vocabulary.control, source.table.texts
    template = "{{ .Prompt }}"
    if source.can_fill and control.fim:
        prefix, suffix, middle = (texts[index] for index in control.fim)
        filled = f"{prefix}{{{{ .Prompt }}}}{suffix}{{{{ .Suffix }}}}{middle}"
        template = f"{{{{ if .Suffix }}}}{filled}{{{{ else }}}}{{{{ .Prompt }}}}{{{{ end }}}}"
    return "\n".join(
        [
            f"{WRITTEN_BY}; ollama create NAME -f THIS_FILE",
            f"FROM ./{weights}",
            *([f"ADAPTER ./{adapter}"] if adapter else []),
            f"PARAMETER num_ctx {source.shape.context_tokens}",
            "PARAMETER temperature 0",
            f'PARAMETER stop "{texts[control.end]}"',
            f'TEMPLATE """{template}"""',
            "",
        ]
    )
