"""What to write into an editor's settings so that it asks this server."""

from __future__ import annotations

NAME = "effectiveness-qwen-coder"  # Continue chooses the spelling of a gap by the model's name

_LLAMA_VIM = """\
" vim or neovim with the plugin ggml-org/llama.vim
let g:llama_config = {{ 'endpoint': '{url}/infill', 'endpoint_fim': '{url}/infill', 'n_predict': 48 }}
"""
_LLAMA_VSCODE = """\
// settings.json of VS Code with the extension ggml-org.llama-vscode
{{ "llama-vscode.endpoint": "{url}", "llama-vscode.n_predict": 48,
  "llama-vscode.launch_training_completion":
    "effectiveness dataset . --output data && effectiveness train --sequences data/training_data_train.jsonl \
--output models/mine" }}
"""
_CONTINUE = """\
# config.yaml of Continue, in VS Code and JetBrains
models:
  - name: {name}
    provider: llama.cpp
    model: {name}
    apiBase: {url}
    roles: [autocomplete]
    autocompleteOptions: {{ debounceDelay: 100, modelTimeout: 1000, maxPromptTokens: 2048 }}
"""
_MINUET = """\
-- neovim with milanglacier/minuet-ai.nvim
require('minuet').setup {{ provider = 'openai_fim_compatible', n_completions = 1, context_window = 8000,
  provider_options = {{ openai_fim_compatible = {{ name = 'effectiveness', model = '{name}', stream = false,
    end_point = '{url}/v1/completions', api_key = 'TERM', optional = {{ max_tokens = 48 }} }} }} }}
"""
_ZED = """\
// settings.json of Zed
{{ "edit_predictions": {{ "provider": "open_ai_compatible_api", "open_ai_compatible_api":
  {{ "api_url": "{url}/v1/completions", "model": "{name}", "prompt_format": "qwen", "max_output_tokens": 48 }} }} }}
"""
_TABBY = """\
# ~/.tabby-client/agent/config.toml
[server]
endpoint = "{url}"
"""
_OLLAMA = """\
# clients of Ollama ask its port, or what this says; /api/generate answers prompt and suffix
OLLAMA_HOST={url}
"""
SNIPPETS = {
    "llama.vim": _LLAMA_VIM,
    "llama.vscode": _LLAMA_VSCODE,
    "continue": _CONTINUE,
    "minuet": _MINUET,
    "zed": _ZED,
    "tabby": _TABBY,
    "ollama": _OLLAMA,
}


def snippet(client: str, url: str) -> str:
    return SNIPPETS[client].format(url=url, name=NAME)
