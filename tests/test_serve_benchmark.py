"""The benchmark of the server, small: it runs, and what it tells was measured."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from small_repository import make_repository

from benchmarks import keys, serve, served
from benchmarks.measure import MeasurementError

PEER = """#!{python}
import http.server, json, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.do_POST()
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({{"content": "x", "timings/prompt_n": 1, "timings/predicted_n": 3}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answers).serve_forever()
"""


def write_model(directory: Path, dataset: Path) -> Path:
    """Random weights over the dataset's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shutil.copytree(dataset / "tokenizer", directory)
    size = len(json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]) + 50
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=256, fill_in_the_middle=False, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


def test_the_servers_benchmark_types_starts_saves_and_compares(small_dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(keys, "BEFORE_TOKENS", 60)
    monkeypatch.setattr(keys, "BEHIND_TOKENS", 20)
    monkeypatch.setattr(serve, "wait_until_fitted", lambda _: None)
    monkeypatch.setattr(serve, "is_source", lambda path: path.suffix == ".py")
    shutil.copytree(small_dataset, tmp_path / "data")
    make_repository(tmp_path / "repository")
    model = write_model(tmp_path / "model", small_dataset)
    peer = tmp_path / "llama-server"
    peer.write_text(PEER.format(python=sys.executable))
    peer.chmod(0o755)
    numbers = ["--places", "1", "--keys", "3", "--starts", "1", "--saves", "2"]
    places = ["--dataset", str(tmp_path / "data"), "--repository", str(tmp_path / "repository")]
    capsys.readouterr()
    done = serve.main(
        [str(model), *places, *numbers, "--peer", str(peer), "--output", str(tmp_path / "results")]
    )
    out, err = capsys.readouterr()
    assert (done, err) == (0, "")
    [page] = (tmp_path / "results").iterdir()
    text = page.read_text()
    assert str(tmp_path) not in text and text in out
    for row in ("memory alone | 2", "memory and model | 2", "llama-server q8_0 | 2", "ours | 2"):
        assert f"| {row} |" in text
    assert "not measured" not in text


def test_a_dataset_without_long_test_files_is_told(small_dataset, tmp_path, capsys):
    shutil.copytree(small_dataset, tmp_path / "data")
    assert serve.main(["nowhere", "--dataset", str(tmp_path / "data"), "--repository", "nowhere"]) == 2
    assert "2,000 tokens" in capsys.readouterr().err


def test_a_server_that_does_not_come_up_is_told_with_what_it_said(tmp_path):
    with (
        pytest.raises(MeasurementError, match="no such directory"),
        served.serving("--repository", tmp_path / "no"),
    ):
        pass


def test_keys_are_typed_one_by_one_behind_the_indentation():
    place = keys.Place(path="a", before="x\n", line="    ab cd", behind="\ny")
    sent = list(keys.bodies(place, 3, 10))
    assert [body["prompt"] for body in sent] == ["    ", "    a", "    ab"]
    assert {body["input_suffix"] for body in sent} == {"\ny"}


def test_places_are_the_same_each_time_and_have_their_tokens_around_them():
    texts = {name: "".join(f"line_{number} = {name}({number})\n" for number in range(1500)) for name in "ab"}
    places = keys.draw_places(texts, lambda text: text.split("_"), 5)
    assert places == keys.draw_places(texts, lambda text: text.split("_"), 5) and len(places) == 5
    for place in places:
        assert texts[place.path].count(place.before + place.line + place.behind) == 1
        assert abs(2 * place.before.count("\n") - keys.BEFORE_TOKENS) <= 4


def test_the_kernels_clock_of_another_process_counts_what_it_works(tmp_path):
    import subprocess
    import time

    work = "x = 0\nwhile True: x += 1"
    with subprocess.Popen([sys.executable, "-c", work]) as busy:
        try:
            server = served.Served(process=busy, port=0, begun=0.0)
            while server.cpu_s() < 0.2:
                time.sleep(0.02)
            assert np.isfinite(server.cpu_s()) and server.threads_and_files()[0] == 1
        finally:
            busy.kill()
