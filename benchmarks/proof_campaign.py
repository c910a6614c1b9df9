"""The two corpora the shipped defaults were chosen on, of about 0.6 MB each: several epochs in a minute.

    python3 benchmarks/proof_campaign.py --output DIR --crate /usr/share/cargo/registry/tokio-1.24.2

Writes DIR/std (packages of Python's standard library with tests) and DIR/tokio (a part of that crate with tests),
builds DIR/ds-std and DIR/ds-tokio, and prints the commands of the campaign. Files above a limit are left out: with
few large files in the held-out splits, intervals by file would say nothing.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import shutil
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from effectiveness.common import programs

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("concurrent", "email", "http", "importlib", "json", "urllib", "wsgiref")
TESTS = ("test_json", "test_importlib")
MAX_PYTHON_BYTES = 20 << 10
MAX_RUST_BYTES = 16 << 10
LEFT_OUT_OF_THE_CRATE = ("src/io", "src/net", "src/process", "src/runtime", "src/signal")
FIRST_TEST = "s"  # tests of the crate from this letter on
BUDGET = (
    "--seeds 3 --steps 160 --tokens-per-step 4096 --preset nano --jobs 2 "
    "--set optimization.learning_rate=4e-3 --set optimization.mixed_precision=bf16"
)
STAGES = (
    "baseline,originals,recipe,founding,everything,everything-without-variants,baseline-with-muon,baseline-again,sabotage",
    "originals-with-half-window,originals-with-fresh-cuts,originals-with-weights,originals-with-masking,originals-with-fim",
    "founding-without-window,founding-without-overlap,founding-without-variants,founding-without-weights,"
    "founding-without-curriculum,founding-without-token_masking,founding-without-variable_renaming,"
    "founding-without-comment_toggle,founding-without-format_variation",
)


def write_std(target: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    for place, names, source in (("lib", PACKAGES, library), ("test", TESTS, library / "test")):
        for name in names:
            files = (
                path for path in (source / name).rglob("*.py") if path.stat().st_size <= MAX_PYTHON_BYTES
            )
            _copy(files, source, target / place)


def write_crate(crate: Path, target: Path) -> None:
    files = [path for path in crate.glob("src/**/*.rs") if not _is_left_out(path.relative_to(crate))]
    files += [path for path in crate.glob("tests/*.rs") if path.name >= FIRST_TEST]
    _copy((path for path in files if path.stat().st_size <= MAX_RUST_BYTES), crate, target)


def _is_left_out(path: Path) -> bool:
    return any(path.is_relative_to(left_out) for left_out in LEFT_OUT_OF_THE_CRATE)


def _copy(files: Iterable[Path], source: Path, target: Path) -> None:
    for path in sorted(files):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def build(corpus: Path, dataset: Path) -> None:
    """With the tokenizer of the corpus itself, windows of 1024 and all four augmentations."""
    script = ROOT / "create_training_dataset_effectiveness.py"
    flags = ["--output", str(dataset), "--recipe", "founding", "--tokenizer", "local", "--max-tokens", "1024"]
    programs.run(programs.python(script, corpus, *flags), check=True)


def campaign(datasets: list[Path], results: Path) -> list[str]:
    """Command lines, the most important arms first; the last one makes nothing and prints everything."""
    named = " ".join(map(str, datasets))
    start = f"{sys.executable} -m effectiveness ablate --dataset {named} --results {results} {BUDGET}"
    return [
        *(f"{start} --arms {arms}" for arms in STAGES),
        f"{start} --arms {','.join(STAGES)} --report-only",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--crate", type=Path, required=True, metavar="DIR", help="sources of tokio 1.24.2")
    arguments = parser.parse_args()
    corpora = {"std": arguments.output / "std", "tokio": arguments.output / "tokio"}
    for corpus in corpora.values():
        if corpus.exists():
            parser.error(f"{corpus} is there already; name another --output")
    write_std(corpora["std"])
    write_crate(arguments.crate, corpora["tokio"])
    datasets = [arguments.output / f"ds-{name}" for name in corpora]
    for corpus, dataset in zip(corpora.values(), datasets, strict=True):
        build(corpus, dataset)
    print("\n".join(campaign(datasets, arguments.output / "ablation.jsonl")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
