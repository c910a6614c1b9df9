"""The steps of a build, in their order; `build` of the dataset command calls them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from effectiveness.common.publish import SCRATCH
from effectiveness.common.records import (
    SPLITS_FILE,
    BuildOptions,
    ContextPlan,
    Corpus,
    ScanResult,
    SourceFile,
    UserError,
    text_of,
)
from effectiveness.common.seeding import key_for
from effectiveness.common.workers import DEAD_WORKER, ChildDied, WorkerPool, run_in_child
from effectiveness.corpus import duplicates
from effectiveness.corpus.build_log import left_out_in_words
from effectiveness.corpus.curriculum import order_by_complexity
from effectiveness.corpus.file_splits import FileSplits, keep_splits, write_splits
from effectiveness.corpus.rows import MadeRows, RowOptions, encoder_of, rows_of, self_test_sample
from effectiveness.corpus.rows.writing import RowTable
from effectiveness.corpus.scan import ScanOptions, scan_repository
from effectiveness.corpus.secrets import redact_all
from effectiveness.corpus.split import assign_splits
from effectiveness.corpus.tokenization import TokenizerError, TokenizerInfo, window_bounds
from effectiveness.corpus.tokenization.source import (
    TokenizerChoice,
    install_tokenizer,
    local_vocab_size,
    train_tokenizer,
    unusable,
)
from effectiveness.languages import LANGUAGES

if TYPE_CHECKING:  # what only some builds need is read by those
    from effectiveness.corpus.history import Past, WrittenTree
    from effectiveness.corpus.history.later import History
    from effectiveness.corpus.rows.variants import Variation

BYTES_PER_TOKEN = 4  # of code, before there is a tokenizer to ask; only decides how groups are dealt out
TOKENIZER_LIMIT_S = 120.0  # to load and prove one that was given: the largest in use take 4
NAME_SAMPLE_BYTES = 256 << 10  # of training text per language, to draw natural names from


def scan(
    options: BuildOptions,
    plan: ContextPlan,
    past: Past | None,
    tokenizer: TokenizerInfo | None,
    older: FileSplits | None,
    staging: Path,
    pool: WorkerPool,
) -> tuple[Corpus, History | None]:
    """Step 1: the files, their groups and splits; and what was committed after the state of `past`."""
    scratch = staging / SCRATCH
    found = read_texts(options, scratch / "texts", pool, past.then if past else None)
    if tokenizer:  # the groups are found here: the workers have time
        pool.begin(encoder_of, *_encoder_arguments(options, found.corpus(), tokenizer))
    corpus = group_and_split(options, plan, found, older, staging / SPLITS_FILE)
    if past is None or not options.until:
        return corpus, None
    return corpus, find_history(options, past, corpus, found, scratch, pool)


class ScannedTexts(NamedTuple):
    """What a scan found, before the files are grouped."""

    scan: ScanResult
    texts: Path
    signatures: list[np.ndarray]  # of each file
    macros: frozenset[str]

    def corpus(self) -> Corpus:
        return Corpus(self.scan, self.texts, np.empty(0), np.empty(0), self.macros)


def read_texts(
    options: BuildOptions, spool: Path, pool: WorkerPool, written: WrittenTree | None = None
) -> ScannedTexts:
    """Step 1, first half: the texts of the repository, or of a commit that was written elsewhere."""
    result, signatures, macros = scan_repository(
        ScanOptions(
            root=written.root if written else options.root,
            core_globs=options.core_globs,
            test_globs=options.test_globs,
            include=options.include,
            exclude=options.exclude,
            submodules=options.submodules,
            keep_secrets=options.keep_secrets,
            locate_secrets=options.report_secrets,
            own_output=(written.place_of(options.output, options.root) if written else options.output,),
            tree=written.tree if written else None,
        ),
        spool,
        pool,
        analyse=partial(_analyse, macro_names=_macro_finder(options)),
        redact=redact_all,
    )
    if written:
        written.discard()
    return ScannedTexts(result, spool, signatures, macros)


def group_and_split(
    options: BuildOptions, plan: ContextPlan, found: ScannedTexts, older: FileSplits | None, table: Path
) -> Corpus:
    """Step 1, second half: the near-duplicate groups, and which group goes to which split; all of it in `table`."""
    result = found.scan
    if not result.files:
        reasons = "; ".join(filter(None, (result.absent, left_out_in_words(result))))
        raise UserError(
            f"{options.root}: no source file to read among {result.num_entries} entries"
            f"{f': {reasons}' if reasons else ''}; name a repository that holds some"
        )
    groups = duplicates.group(found.signatures, found.corpus().read)
    # Rows are counted as if windows overlapped by half, whatever the recipe, so that every build holds out the same
    # files; the shares are right for windows side by side and for those that overlap by three quarters.
    expected_rows = [
        len(
            window_bounds(
                -(-file.num_bytes // BYTES_PER_TOKEN), plan.context_tokens, plan.context_tokens // 2
            )
        )
        for file in result.files
    ]
    paths = [file.path for file in result.files]
    kept = keep_splits(older, paths, found.signatures)
    split = assign_splits(groups, np.array(expected_rows, np.float64), paths, options.seed, kept.split)
    write_splits(table, paths, split, found.signatures, kept)
    return Corpus(result, found.texts, groups, split, found.macros, kept.described(split))


def find_history(
    options: BuildOptions, past: Past, corpus: Corpus, found: ScannedTexts, scratch: Path, pool: WorkerPool
) -> History:
    """What HEAD has and the dataset's state has not; nothing where they are the same commit."""
    from effectiveness.corpus.history.changes import find_changes
    from effectiveness.corpus.history.later import History

    if past.head is None:
        return History(past, None)
    head = read_texts(options, scratch / "texts-of-head", pool, past.head)
    return History(past, find_changes(corpus, head.corpus(), found.signatures, head.signatures))


def _macro_finder(options: BuildOptions) -> Callable[[bytes], set[str]] | None:
    """Renaming alone asks for the macros."""
    if "variable_renaming" not in options.kinds:
        return None
    from effectiveness.corpus.augment.renaming import macro_names

    return macro_names


def _analyse(
    texts: Sequence[bytes],
    languages: Sequence[str],
    macro_names: Callable[[bytes], set[str]] | None,
) -> tuple[list[np.ndarray], set[str]]:
    """What the scan's workers find out about texts while they have them at hand."""
    macros = set()
    for text, language in zip(texts, languages, strict=True):
        if macro_names and LANGUAGES[language].has_preprocessor:
            macros |= macro_names(text)
    return duplicates.signatures(texts), macros


def install(choice: TokenizerChoice, directory: Path) -> TokenizerInfo:
    """A tokenizer that others wrote, proven in a process of its own: its library may hang or die of it."""
    try:
        return run_in_child(install_tokenizer, choice, directory, limit_s=TOKENIZER_LIMIT_S)
    except ChildDied as error:
        why = "its library died of it" if str(error) == DEAD_WORKER else str(error)
        raise unusable(choice.name, TokenizerError(why)) from None


def train_on(corpus: Corpus, choice: TokenizerChoice, directory: Path) -> TokenizerInfo:
    """Step 3, first half, where no tokenizer was given: one of the training files alone."""
    files = [corpus.scan.files[i] for i in corpus.in_train()]
    return run_in_child(
        _train, choice, corpus.texts, files, directory
    )  # its threads and memory are gone then


def _train(choice: TokenizerChoice, spool: Path, files: list[SourceFile], directory: Path) -> TokenizerInfo:
    vocab_size = local_vocab_size(sum(file.num_bytes for file in files))
    with open(spool, "rb") as texts:
        return train_tokenizer(
            choice, (text_of(texts, file).decode() for file in files), vocab_size, directory
        )


def make_rows(
    options: BuildOptions,
    plan: ContextPlan,
    corpus: Corpus,
    tokenizer: TokenizerInfo,
    scratch: Path,
    pool: WorkerPool,
) -> MadeRows:
    """Steps 3 and 4: windows of every file and of its variants. The parts of a file are parsed once for all."""
    texts, tokenizer_json, sample = _encoder_arguments(options, corpus, tokenizer)
    row_options = RowOptions(
        plan=plan,
        tokenizer_json=tokenizer_json,
        dtype=tokenizer.dtype.name,
        sample=sample,
        variation=_variation(options, corpus, tokenizer.mask_id) if options.kinds else None,
    )
    try:
        return rows_of(texts, corpus.scan.files, row_options, scratch, pool)
    except TokenizerError as error:
        raise unusable(tokenizer.name, error) from None


def _encoder_arguments(
    options: BuildOptions, corpus: Corpus, tokenizer: TokenizerInfo
) -> tuple[Path, Path, tuple[SourceFile, ...]]:
    """The arguments of `encoder_of`."""
    files = corpus.scan.files
    sample = self_test_sample(
        files[i] for i in _shuffled(options.seed, "self-test", corpus, range(len(files)))
    )
    return corpus.texts, tokenizer.json_path, sample


def _variation(options: BuildOptions, corpus: Corpus, mask_id: int) -> Variation:
    """Names are drawn from training files only: a held-out file's must not enter train."""
    from effectiveness.corpus.augment.renaming import NO_FACTS, RepositoryFacts, local_names
    from effectiveness.corpus.rows.variants import Variation

    facts = NO_FACTS
    if "variable_renaming" in options.kinds:
        facts = RepositoryFacts(local_names(_name_sample(options, corpus)), corpus.macros)
    return Variation(kinds=options.kinds, seed=options.seed, facts=facts, mask_id=mask_id)


def _name_sample(options: BuildOptions, corpus: Corpus) -> Iterator[tuple[str, bytes]]:
    """(language, text) of training files in a seeded order, up to NAME_SAMPLE_BYTES of each language."""
    taken: Counter[str] = Counter()
    files = corpus.scan.files
    for index in _shuffled(options.seed, "names", corpus, corpus.in_train()):
        language = files[index].language
        if taken[language] < NAME_SAMPLE_BYTES:
            taken[language] += files[index].num_bytes
            yield language, corpus.read(index)


def _shuffled(seed: int, purpose: str, corpus: Corpus, indices: Iterable[int]) -> list[int]:
    return sorted(indices, key=lambda index: key_for(seed, purpose, corpus.scan.files[index].path))


def in_order(table: RowTable, split: int) -> np.ndarray:
    """Step 6: the rows of a split, indices into the table, simple first: uint32."""
    rows = np.flatnonzero(table.split == split).astype(np.uint32)
    return rows[order_by_complexity(table.complexity[rows], rows)]
