"""What each measured process does, other than our own command. Run as a script: contestants.py NAME JSON-OPTIONS.

Every contestant gets the same texts (a manifest of files), the same tokenizer.json and two cores, imports only
what it needs, and prints `inner_s X`, the seconds of its work without its imports, and `rows N` if it writes rows.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import json
import time
from dataclasses import replace
from pathlib import Path

SELF_TEST_FILES = 8  # on which the fast encoder must agree with the reference
BATCH_TEXTS = 256  # `encode_batch_fast` of a whole corpus at once would take gigabytes


def texts_of(manifest: str) -> list[tuple[str, str]]:
    return [
        (path, Path(path).read_bytes().decode("utf-8", "replace"))
        for path in json.loads(Path(manifest).read_text())
    ]


def encode(manifest: str, tokenizer: str, **_) -> float:
    """The limit: `tokenizers` alone, fastest call, two threads; ids are thrown away."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(tokenizer)
    texts = [text for _, text in texts_of(manifest)]
    started_s = time.perf_counter()
    for start in range(0, len(texts), BATCH_TEXTS):
        loaded.encode_batch_fast(texts[start : start + BATCH_TEXTS], add_special_tokens=False)
    return time.perf_counter() - started_s


def parse(manifest: str, **_) -> float:
    """One core's tree-sitter parse of every file that has a grammar."""
    from effectiveness.languages import language_of
    from effectiveness.languages.syntax import has_grammar, parse

    texts = [(language_of(path), text.encode()) for path, text in texts_of(manifest)]
    started_s = time.perf_counter()
    for language, text in texts:
        if language is not None and has_grammar(language.name):
            parse(language.name, text)
    return time.perf_counter() - started_s


def data_path(repo: str, tokenizer: str, output: str, window: int, overlap: int, **_) -> float:
    """Our own path of the data and nothing else: list, read, encode, window, write.

    It is the product's code with near-duplicates, secrets, syntax trees, scores, leak report and page left out.
    """
    import numpy as np

    from effectiveness.common.records import ContextPlan, Corpus
    from effectiveness.common.workers import WorkerPool
    from effectiveness.corpus import rows
    from effectiveness.corpus.rows import RowOptions, rows_of, shard
    from effectiveness.corpus.rows.writing import BuiltDataset, RowReader, drop_duplicates, write_rows
    from effectiveness.corpus.scan import ScanOptions, scan_repository
    from effectiveness.corpus.tokenization.source import choose_tokenizer, install_tokenizer

    started_s = time.perf_counter()
    rows.features_of = _no_features
    shard.scores = _no_scores
    staging = Path(output)
    pool = WorkerPool(2)
    found, _, macros = scan_repository(
        ScanOptions(root=Path(repo)), staging / "texts", pool, analyse=_no_analysis, redact=None
    )
    plain = tuple(replace(file, language="Text") for file in found.files)  # a language without a grammar
    split = np.zeros(len(plain), np.uint8)
    corpus = Corpus(replace(found, files=plain), staging / "texts", np.arange(len(plain)), split, macros)
    plan = ContextPlan(
        device="cpu", device_name="", memory_bytes=0, tier="", reason="", context_tokens=window, overlap_tokens=overlap
    )  # fmt: skip
    info = install_tokenizer(choose_tokenizer(tokenizer), staging / "tokenizer")
    options = RowOptions(
        plan=plan,
        tokenizer_json=info.json_path,
        dtype=info.dtype.name,
        sample=tuple(plain[:SELF_TEST_FILES]),
    )
    made = rows_of(corpus.texts, plain, options, staging, pool)
    table = drop_duplicates(made, split)
    dataset = BuiltDataset(
        options=None, plan=plan, corpus=corpus, tokenizer=info, made=made, table=table, order={}
    )
    write_rows(staging / "rows.jsonl", RowReader(dataset), np.arange(len(table)))
    pool.close()
    print(f"rows {len(table)}")
    return time.perf_counter() - started_s


def _no_analysis(texts: list[bytes], languages: list[str]) -> tuple:
    import numpy as np

    return [np.zeros(1, np.uint64)] * len(texts), set()


def _no_features(source: bytes, language: str, tree) -> None:
    return None


def _no_scores(texts: tuple, features: tuple, windows, *_):
    import numpy as np

    return np.zeros(len(windows))


def datasets_map(manifest: str, tokenizer: str, output: str, window: int, overlap: int, **_) -> float:
    """`datasets.Dataset.map` as documented: fast tokenizer, the same overlapping windows, JSON lines, 2 processes."""
    from datasets import BuiltDataset
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_file=tokenizer)
    fast.add_special_tokens({"pad_token": "<|padding|>"})

    def windows(batch: dict) -> dict:
        encoded = fast(
            batch["text"],
            max_length=window,
            stride=overlap,
            truncation=True,
            padding="max_length",
            return_overflowing_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            add_special_tokens=False,
        )
        files = [batch["path"][index] for index in encoded["overflow_to_sample_mapping"]]
        return {"tokens": encoded["input_ids"], "source_file": files}

    started_s = time.perf_counter()
    paths, texts = zip(*texts_of(manifest), strict=True)
    rows = BuiltDataset.from_dict({"path": list(paths), "text": list(texts)}).map(
        windows,
        batched=True,
        batch_size=100,
        num_proc=2,
        remove_columns=["path", "text"],
        load_from_cache_file=False,
    )
    rows.to_json(f"{output}/rows.jsonl", num_proc=2)
    print(f"rows {len(rows)}")
    return time.perf_counter() - started_s


def datatrove_tokens(shards: str, tokenizer: str, output: str, **_) -> float:
    """datatrove's tokenizer pipeline: JSON lines in, a file of token ids out (no windows, no rows), 2 workers."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    started_s = time.perf_counter()
    pipeline = [
        JsonlReader(shards),
        DocumentTokenizer(f"{output}/tokens", tokenizer_name_or_path=tokenizer, shuffle_documents=False),
    ]
    LocalPipelineExecutor(pipeline, tasks=2, workers=2, logging_dir=f"{output}/logs").run()
    return time.perf_counter() - started_s


CONTESTANTS = {f.__name__: f for f in (encode, parse, data_path, datasets_map, datatrove_tokens)}


if __name__ == "__main__":
    inner_s = CONTESTANTS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(f"inner_s {inner_s:.6f}", flush=True)
