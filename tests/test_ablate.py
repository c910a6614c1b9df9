"""Arms out of one dataset: cut as they say, run at equal cost, recorded once, judged by intervals."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import small_files, use_tiny_models, write_dataset

from effectiveness.ablation import arms, trial
from effectiveness.ablation import command as ablate
from effectiveness.ablation import table as ablation_table
from effectiveness.ablation.arms import ARMS, RunSpec, dataset_digest, held_out_rows, train_rows
from effectiveness.ablation.results import NEEDED, append_result, read_results
from effectiveness.common.records import AUGMENTATION_KINDS, ORIGINAL, VARIANTS, UserError
from effectiveness.common.stats import LN2
from effectiveness.trainer.documents import ControlTokens, document
from effectiveness.trainer.evaluate import evaluate, evaluate_by_file
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.rows import Rows, open_dataset, open_rows

ROOT = Path(__file__).resolve().parent.parent
WINDOW = 32
CONTROL = ControlTokens(begin=0, end=0, pad=1)
MASKING = VARIANTS.index("token_masking")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    files = small_files(per_split={"train": 24, "val": 4, "test": 4})
    return write_dataset(tmp_path_factory.mktemp("data"), window=WINDOW, files=files).parent


@pytest.fixture(scope="module")
def rows(dataset) -> Rows:
    return open_rows(open_dataset(dataset), "train")


def originals(rows: Rows) -> np.ndarray:
    return np.flatnonzero(rows.table["variant"] == VARIANTS.index(ORIGINAL))


def texts(rows: Rows) -> dict[str, list[int]]:
    """Tokens of each original file, put together from windows that may overlap."""
    found: dict[str, list[int]] = {}
    for index in sorted(originals(rows), key=lambda i: int(rows.table[i]["start_token"])):
        text = found.setdefault(rows.files[rows.table[index]["file"]], [])
        text += rows.tokens_of(index)[max(0, len(text) - int(rows.table[index]["start_token"])) :].tolist()
    return found


def starts_by_file(rows: Rows, variant: int = 0) -> dict[int, list[tuple[int, int, bool]]]:
    found: dict[int, list[tuple[int, int, bool]]] = {}
    for row in rows.table[rows.table["variant"] == variant]:
        place = int(row["start_token"]), int(row["length"]), bool(row["is_last"])
        found.setdefault(int(row["file"]), []).append(place)
    return {file: sorted(places) for file, places in found.items()}


# --- cutting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [WINDOW, WINDOW // 2])
@pytest.mark.parametrize("variant", [0, MASKING])
def test_windows_without_overlap_hold_every_token_once_and_only_the_last_is_short(rows, window, variant):
    lengths = {name: len(text) for name, text in texts(rows).items()}
    cut = arms.cut(rows, window=window, stride=window)
    for file, places in starts_by_file(cut, variant).items():
        length = lengths[cut.files[file]]
        assert [start for start, _, _ in places] == list(range(0, length, window))
        assert sum(size for _, size, _ in places) == length
        assert [is_last for _, _, is_last in places] == [False] * (len(places) - 1) + [True]


@pytest.mark.parametrize("window", [WINDOW, WINDOW // 2])
def test_overlapping_windows_are_those_the_dataset_command_would_cut(rows, window):
    lengths = {name: len(text) for name, text in texts(rows).items()}
    for file, places in starts_by_file(arms.cut(rows, window=window, stride=window // 4)).items():
        last = max(0, lengths[rows.files[file]] - window)
        assert [start for start, _, _ in places] == [*range(0, last, window // 4), last]


@pytest.mark.parametrize("stride", [4, 16])
def test_a_cut_window_holds_the_tokens_and_labels_of_its_place(rows, stride):
    whole, cut = texts(rows), arms.cut(rows, window=16, stride=stride)
    assert texts(cut) == whole
    masked = np.flatnonzero(cut.table["variant"] == MASKING)
    assert len(masked)
    for index in masked.tolist():
        row = cut.table[index]
        start, text = int(row["start_token"]), whole[cut.files[row["file"]]]
        assert cut.originals_of(index).tolist() == text[start : start + int(row["length"])]


def test_cutting_keeps_the_full_windows_as_they_are(rows):
    same = arms.cut(rows, window=WINDOW, stride=WINDOW // 4)
    for name in ("offset", "length", "weight_micro", "complexity", "is_last", "variant"):
        assert np.array_equal(same.table[name], rows.table[name]), name


def test_shifted_labels_ask_for_the_token_after_the_next(rows):
    index = int(originals(rows)[0])
    (_, right), (inputs, wrong) = (
        document(r, index, CONTROL) for r in (rows, arms.with_shifted_labels(rows))
    )
    assert inputs[1:-1].tolist() == right[:-2].tolist()
    begin = int(rows.table[index]["start_token"] == 0)
    assert wrong[: 10 - begin].tolist() == right[1 : 11 - begin].tolist()
    assert wrong.tolist() != right.tolist()


# --- arms ------------------------------------------------------------------------------------------------


def test_every_arm_differs_from_what_it_is_compared_with_in_one_thing():
    for name, arm in ARMS.items():
        if "-with" not in name and name not in ("baseline-again", "sabotage"):
            continue
        reference = ARMS[arm.against]
        fields = {field.name for field in dataclasses.fields(arm)} - {"against"}
        changed = {field for field in fields if getattr(arm, field) != getattr(reference, field)}
        assert len(changed - {"variant_share"}) == 1, (
            name
        )  # a share of variants says nothing without variants
        if changed == {"settings"}:
            assert arm.settings[: len(reference.settings)] == reference.settings, name
            assert len(arm.settings) == len(reference.settings) + 1, name


def test_an_arm_brings_what_it_is_compared_with():
    assert ablate._arms("originals-with-fim, sabotage") == [
        "baseline",
        "originals",
        "originals-with-fim",
        "sabotage",
    ]


def test_arms_are_compared_with_arms():
    assert {arm.against for arm in ARMS.values()} - {None} <= set(ARMS)
    assert set(ablate.DEFAULT_ARMS) <= set(ARMS)
    for kind in AUGMENTATION_KINDS:
        assert kind not in ARMS[f"founding-without-{kind}"].kinds
        assert len(ARMS[f"founding-without-{kind}"].kinds) == len(AUGMENTATION_KINDS) - 1


def test_the_baseline_is_half_windows_side_by_side_without_variants(rows):
    cut = train_rows(ARMS["baseline"], rows)
    assert cut.window == WINDOW // 2
    assert set(cut.table["variant"].tolist()) == {0}
    assert int(cut.table["length"].sum()) == sum(map(len, texts(rows).values()))


def test_arms_switch_off_what_they_name(rows):
    founding = train_rows(ARMS["founding"], rows)
    without = {n: train_rows(ARMS[f"founding-without-{n}"], rows) for n in ("overlap", "variants")}
    assert len(without["variants"]) == len(originals(founding))
    assert without["overlap"].window == founding.window and len(without["overlap"]) < len(founding)
    assert MASKING not in train_rows(ARMS["founding-without-token_masking"], rows).table["variant"]
    assert train_rows(ARMS["founding-without-window"], rows).window == WINDOW // 2
    spec = spec_of(Path("x"), "founding-without-weights")
    assert spec.config(WINDOW).data.weighting == "none"
    assert spec.config(WINDOW).data.curriculum == "stages"


def spec_of(dataset: Path, arm: str, **changes) -> RunSpec:
    given = {"seed": 1, "steps": 6, "tokens_per_step": 64, "preset": "nano", "device": "cpu", "threads": 1}
    return RunSpec(dataset=dataset, arm=arm, overrides=(), **given | changes)


def test_a_run_is_known_by_everything_that_decides_it_and_by_nothing_else():
    base = spec_of(Path("x"), "recipe")
    same = spec_of(Path("y"), "recipe", threads=2)
    others = [
        spec_of(Path("x"), "recipe", steps=7),
        spec_of(Path("x"), "recipe", tokens_per_step=128),
        spec_of(Path("x"), "originals-with-fresh-cuts"),
        dataclasses.replace(base, overrides=("model.dropout=0.2",)),
    ]
    assert same.digest(WINDOW) == base.digest(WINDOW)
    assert len({spec.digest(WINDOW) for spec in [base, *others]}) == 5


# --- held-out files --------------------------------------------------------------------------------------


def nats_of(batch):
    return (batch.labels % 7 + batch.position_ids % 3).float()


def held_out(rows: Rows) -> HeldOut:
    return HeldOut(rows, CONTROL, np.arange(1000) % 5 + 1, batch_size=3, variants=False)


def test_sums_by_file_are_those_of_the_whole_split_in_the_order_of_names(dataset):
    part = held_out(open_rows(open_dataset(dataset), "test"))
    found, whole = evaluate_by_file(part, nats_of), evaluate(part, nats_of).headline
    assert list(found.files) == sorted(found.files) and len(found.files) == 4
    assert found.nats.sum() == pytest.approx(whole.nats)
    assert (found.num_tokens.sum(), found.num_bytes.sum()) == (whole.num_tokens, whole.num_bytes)
    assert set(found.roles) == {"core", "util", "test"}


def test_both_window_lengths_score_every_held_out_token_once(dataset):
    rows = open_rows(open_dataset(dataset), "test")
    lengths = {name: len(text) for name, text in texts(rows).items()}
    scored = [
        evaluate_by_file(held_out(held_out_rows(ARMS[n], rows)), nats_of) for n in ("baseline", "recipe")
    ]
    for found in scored:
        assert found.num_tokens.tolist() == [lengths[name] for name in found.files]
    assert scored[0].num_bytes.tolist() == scored[1].num_bytes.tolist()


def test_the_curve_reads_the_same_tokens_for_both_window_lengths(dataset):
    rows = arms.beginnings(open_rows(open_dataset(dataset), "test"), 3)
    assert len(rows) == 3
    counts = [
        evaluate_by_file(held_out(held_out_rows(ARMS[name], rows)), nats_of).num_tokens.tolist()
        for name in ("baseline", "recipe")
    ]
    assert counts[0] == counts[1] and max(counts[0]) <= WINDOW


# --- runs ------------------------------------------------------------------------------------------------


def flags(dataset: Path, results: Path, *more: str) -> list[str]:
    budget = ["--seeds", "1", "--steps", "6", "--tokens-per-step", "128"]
    return ["--dataset", str(dataset), "--results", str(results), "--device", "cpu", *budget, *more]


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory) -> Path:
    """A results file with runs of three arms."""
    results = tmp_path_factory.mktemp("runs") / "ablation.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_models(patch)
        assert ablate.main(flags(dataset, results, "--arms", "baseline,founding,sabotage")) == 0
    return results


def test_arms_have_equal_steps_and_equal_tokens(finished):
    records = read_results(finished, print)
    assert {record["steps"] for record in records} == {6}
    tokens = [record["tokens"] for record in records]
    assert max(tokens) <= 6 * 128 and min(tokens) > 0.9 * max(tokens)
    assert len({json.dumps([r["files"], r["num_bytes"], r["num_tokens"]]) for r in records}) == 1


def test_a_record_holds_what_intervals_are_computed_from_again(finished):
    record = read_results(finished, print)[0]
    assert len(record["files"]) == len(record["nats"]) == len(record["num_bytes"]) == 8
    assert [step for step, _ in record["curve"]] == [0, 1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(value) for value in record["nats"])
    assert record["versions"]["torch"]


def test_the_tables_stand_beside_the_results(finished):
    assert "| founding | baseline |" in finished.with_suffix(".md").read_text()
    written = json.loads(finished.with_suffix(".json").read_text())
    [(name, found)] = [(n, f) for n, f in written.items() if isinstance(f, list)]
    assert [c["arm"] for c in found] == ["baseline", "sabotage", "founding"]
    assert name.startswith("toy")


def test_a_restart_makes_only_what_is_missing(finished, dataset, tmp_path, monkeypatch, capsys):
    use_tiny_models(monkeypatch)
    results = tmp_path / "ablation.jsonl"
    lines = finished.read_bytes().splitlines(keepends=True)
    results.write_bytes(lines[0] + lines[1] + lines[2][:40])
    assert ablate.main(flags(dataset, results, "--arms", "baseline,founding,sabotage")) == 0
    said = capsys.readouterr().out
    assert "the last line is torn" in said
    assert "3 runs, 2 of them in" in said and "[1/1]" in said
    again = read_results(results, print)
    assert results.read_bytes().startswith(lines[0] + lines[1])
    assert again[2]["nats"] == json.loads(lines[2])["nats"]  # the same run, bit for bit


def test_nothing_is_trained_for_a_report(finished, dataset, capsys):
    before = finished.read_bytes()
    assert ablate.main(flags(dataset, finished, "--arms", "baseline,founding", "--report-only")) == 0
    assert finished.read_bytes() == before
    assert "| founding | baseline |" in capsys.readouterr().out


@pytest.fixture
def instead_of_runs(dataset, monkeypatch):
    """Lets a function of the arm's name and its record take the place of training."""

    def install(change) -> None:
        from effectiveness.ablation import run as arm_run

        def run_arm(spec):
            decided = {
                "dataset": dataset_digest(open_dataset(dataset).metadata),
                "config": spec.digest(WINDOW),
            }
            record = tried(spec.arm, spec.seed, spec.epochs, val=1.0, test=1.0, point=spec.point)
            return change(spec.arm, record | decided)

        monkeypatch.setattr(arm_run, "run_arm", run_arm)

    return install


def test_a_run_that_fails_is_named_and_the_others_go_on(dataset, tmp_path, instead_of_runs, capsys):
    def fail_founding(arm, record):
        if arm == "founding":
            raise UserError("5 steps in a row were not finite")
        return record

    instead_of_runs(fail_founding)
    assert ablate.main(flags(dataset, tmp_path / "r.jsonl", "--arms", "founding")) == 1
    said = capsys.readouterr().out
    assert "FAILED founding seed 1" in said and "| baseline |" in said


def test_a_dataset_that_is_built_anew_under_a_run_spoils_that_run_only(
    dataset, tmp_path, instead_of_runs, capsys
):
    instead_of_runs(lambda arm, record: record | ({"dataset": "another"} if arm == "founding" else {}))
    results = tmp_path / "r.jsonl"
    assert ablate.main(flags(dataset, results, "--arms", "founding")) == 1
    assert f"FAILED founding seed 1 on {dataset.name}: the dataset was built anew" in capsys.readouterr().out
    assert [record["arm"] for record in read_results(results, print)] == ["baseline"]


@pytest.mark.parametrize("where", ["curve", "nats"])
def test_a_run_whose_loss_is_not_finite_is_no_result_but_a_failed_run(
    dataset, tmp_path, instead_of_runs, capsys, where
):
    broken = {"curve": [[0, 3.0], [20, math.nan]], "nats": [math.inf] * 8}
    instead_of_runs(lambda arm, record: record | ({where: broken[where]} if arm == "founding" else {}))
    results = tmp_path / "r.jsonl"
    assert ablate.main(flags(dataset, results, "--arms", "founding")) == 1
    said = capsys.readouterr().out
    assert "FAILED founding seed 1" in said and "its losses are not finite" in said and "1 run FAILED" in said
    assert [record["arm"] for record in read_results(results, print)] == ["baseline"]


@pytest.mark.parametrize("name", ["r.md", "r.json"])
def test_tables_replace_nothing_that_is_not_as_we_wrote_it(dataset, tmp_path, instead_of_runs, capsys, name):
    instead_of_runs(lambda arm, record: record)
    arguments = flags(dataset, tmp_path / "r.jsonl", "--arms", "founding")
    assert ablate.main(arguments) == 0 and ablate.main(arguments) == 0  # ours are replaced
    for text in ((tmp_path / name).read_text().replace("baseline", "mine"), "# mine", ""):
        (tmp_path / name).write_text(text)
        assert ablate.main(arguments) == 2
        assert (tmp_path / name).read_text() == text
        assert f"{name} is not as we wrote it" in capsys.readouterr().err
    assert ablate.main(flags(dataset, tmp_path / "fresh" / name)) == 2
    assert not (tmp_path / "fresh").exists()


def test_a_link_in_the_place_of_a_table_is_not_followed(dataset, tmp_path, instead_of_runs, capsys):
    instead_of_runs(lambda arm, record: record)
    (tmp_path / "mine").write_text("")
    (tmp_path / "r.md").symlink_to("mine")
    assert ablate.main(flags(dataset, tmp_path / "r.jsonl")) == 2
    assert (tmp_path / "mine").read_text() == ""


def test_the_command_itself_does_without_torch():
    code = "import effectiveness.ablation.command, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- verdicts --------------------------------------------------------------------------------------------

NUM_BYTES = [1000, 2000, 1500, 800, 1200, 3000, 900, 1100]


def handmade(arm: str, seed: int, bits: list[float], curve=((0, 3.0), (10, 2.0), (20, 1.5))) -> dict:
    """A record of a run with so many bits per byte in each of eight files."""
    return {
        "arm": arm,
        "seed": seed,
        "dataset": "d",
        "config": "c",
        "steps": 20,
        "tokens": 1000,
        "cpu_seconds": 2.0,
        "curve": [list(point) for point in curve],
        "files": [f"f{i}" for i in range(len(bits))],
        "roles": ["core"] * 6 + ["test"] * 2,
        "nats": [b * LN2 * n for b, n in zip(bits, NUM_BYTES, strict=True)],
        "num_bytes": NUM_BYTES,
    }


def several(arm: str, shift: float, *, seeds=(1, 2, 3), spread: float = 0.01, **more) -> list[dict]:
    rng = np.random.default_rng(sum(map(ord, arm)))
    files = 1.5 + np.linspace(0, 0.3, 8)
    return [
        handmade(arm, s, (files + shift + rng.normal(0, spread) + rng.normal(0, spread, 8)).tolist(), **more)
        for s in seeds
    ]


def compared(*records: list[dict]) -> dict[str, ablation_table.Comparison]:
    found = ablation_table.compare(ablation_table.runs_by_arm([r for part in records for r in part]))
    return {comparison.runs.arm: comparison for comparison in found}


def test_sabotage_is_rejected_and_the_baseline_does_not_beat_itself():
    found = compared(several("baseline", 0), several("sabotage", 0.4), several("baseline-again", 0))
    assert found["sabotage"].verdict.startswith("higher by")
    assert found["baseline-again"].verdict == "no gain shown"
    said = "\n".join(ablation_table.checks(list(found.values())))
    assert "rejected" in said and "NOT REJECTED" not in said and "as it must be" in said


def test_core_files_are_judged_apart():
    better_on_core = [handmade("originals", s, [1.0 + s / 99] * 6 + [2.5, 2.5]) for s in (1, 2, 3)]
    even = [handmade("baseline", s, [1.5 + s / 99] * 8) for s in (1, 2, 3)]
    found = compared(even, better_on_core)["originals"]
    assert found.on_core.high < found.relative.high
    assert found.on_core.estimate == pytest.approx(-0.5 / (1.5 + 2 / 99), rel=1e-3)
    assert found.verdict == "no gain shown" and "lower by" in ablation_table.markdown([found])[2]


def test_a_change_of_the_shipped_defaults_moves_the_recipe_but_not_what_it_is_measured_against(monkeypatch):
    before = {
        name: spec_of(Path("x"), name).config(WINDOW)
        for name in ("baseline", "founding", "originals", "recipe")
    }
    changed = ("model.dropout=0.3", "objectives.mask_rate=0.3", "objectives.fim_rate=0.5")
    for name, config in before.items():
        spec = dataclasses.replace(spec_of(Path("x"), name), overrides=changed)
        assert (spec.config(WINDOW) == config) == (name != "recipe")


def test_a_sabotage_that_goes_unseen_is_shouted():
    found = compared(several("baseline", 0), several("sabotage", 0.0), several("baseline-again", 0.4))
    said = "\n".join(ablation_table.checks(list(found.values())))
    assert "NOT REJECTED" in said and "DIFFERS" in said


def test_what_is_lost_without_a_technique_is_what_recommends_it():
    found = compared(
        several("founding", 0),
        several("founding-without-overlap", 0.3),
        several("founding-without-weights", -0.3),
        several("founding-without-curriculum", 0.0),
        several("originals", 0),
        several("originals-with-dropout", -0.3),
        several("originals-with-fim", 0.3),
    )
    said = {line.split(" ")[0]: line for line in ablation_table.recommendations(list(found.values()))}
    assert "use it: without it bits/byte are higher by" in said["overlap"]
    assert "it costs - leave it off: without it bits/byte are lower by" in said["weights"]
    assert "no gain shown" in said["curriculum"]
    assert "[model.dropout=0.1] (beside originals): use it: with it bits/byte are lower by" in said["dropout"]
    assert "it costs" in said["fim"]


def test_steps_to_the_baselines_loss_are_read_between_the_points():
    fast = ((0, 3.0), (10, 1.6), (20, 1.4))
    found = compared(several("baseline", 0), several("recipe", -0.3, curve=fast))
    assert found["baseline"].steps_to_baseline == pytest.approx(20)
    assert found["recipe"].steps_to_baseline == pytest.approx(15)
    slow = compared(several("baseline", 0), several("recipe", 0.3, curve=((0, 3.0), (20, 2.0))))
    assert slow["recipe"].steps_to_baseline is None
    assert "not reached" in "".join(ablation_table.markdown([slow["recipe"]]))


def test_an_arm_without_its_reference_has_no_verdict():
    found = compared(several("originals-with-fim", 0.3))
    assert found["originals-with-fim"].difference is None and found["originals-with-fim"].verdict == ""


def test_several_datasets_are_pooled_over_the_arms_and_seeds_they_share():
    one = ablation_table.runs_by_arm(several("baseline", 0) + several("recipe", -0.2))
    two = ablation_table.runs_by_arm(several("baseline", 0.5, seeds=(2, 3, 4)))
    pooled = ablation_table.pooled([one, two])
    assert list(pooled) == ["baseline"]
    assert pooled["baseline"].seeds == (2, 3) and pooled["baseline"].nats.shape == (2, 16)
    assert pooled["baseline"].nats[0, :8].tolist() == one["baseline"].nats[1].tolist()


def test_runs_of_different_lengths_are_pooled():
    one = ablation_table.runs_by_arm(several("baseline", 0))
    two = ablation_table.runs_by_arm(several("baseline", 0, curve=((0, 3.0), (30, 1.4))))
    assert ablation_table.pooled([one, two])["baseline"].curve[:, 0].tolist() == [0, 20]


def test_runs_over_different_files_are_not_compared():
    other = several("originals", 0)
    for record in other:
        record["num_bytes"] = [n + 1 for n in NUM_BYTES]
    with pytest.raises(UserError, match="different files"):
        compared(several("baseline", 0), other)


# --- a fair trial: several points, each file read at one it did not choose ------------------------------------


def tried(arm: str, seed: int, epochs: float, val: float, test: float, *, point=()) -> dict:
    """A run with so many bits per byte in its four validation and its four test files."""
    record = handmade(arm, seed, [val] * 4 + [test] * 4)
    splits = ["val"] * 4 + ["test"] * 4
    return record | {"epochs": epochs, "point": list(point), "splits": splits, "num_tokens": [9] * 8}


def test_every_file_is_read_at_the_point_that_the_other_half_likes_best():
    records = [tried("recipe", 1, 12, val=1.0, test=2.0), tried("recipe", 1, 24, val=1.5, test=1.8)]
    (record,) = trial.crossed(records)
    read = {
        s: n / b / LN2 for s, n, b in zip(*(record[k] for k in ("splits", "nats", "num_bytes")), strict=True)
    }
    assert read == pytest.approx({"test": 2.0, "val": 1.5})  # neither is the lowest that could be shown
    assert sorted(record["files"]) == sorted(records[0]["files"])


def test_a_long_file_has_no_more_say_in_the_choice_than_a_short_one():
    record = tried("recipe", 1, 12, val=1.0, test=1.0)
    record["nats"][0], record["num_bytes"][0] = 1e6 * LN2, 1_000_000
    assert trial.score(record, "val") == pytest.approx(1.0)


def test_after_the_first_seed_an_arm_goes_on_where_either_half_likes_it_best():
    records = [
        tried("recipe", 1, 12, val=1.0, test=2.0),
        tried("recipe", 1, 24, val=1.1, test=1.7),
        tried("recipe", 1, 48, val=1.2, test=1.8),
    ]
    assert trial.going_on(records, keep=1) == {"recipe": {(12, ()), (24, ())}}
    more = [*records, *(tried("recipe", 2, epochs, val=1.3, test=1.9) for epochs in (12, 24))]
    assert trial.best_points(more, "val") == {"recipe": [(12, ())]}, "a point left behind is not chosen"
    assert trial.going_on(more, keep=1) == {"recipe": {(12, ()), (24, ())}}


@pytest.mark.parametrize("words", ["", "0", "12,", "-1", "twelve", "nan"])
def test_a_length_that_is_none_is_named(words):
    with pytest.raises(UserError, match="--epochs"):
        trial.points(words, [])


def test_a_trial_runs_every_point_and_says_which_were_chosen(dataset, tmp_path, instead_of_runs, capsys):
    instead_of_runs(lambda arm, record: record)
    more = [
        "--arms",
        "baseline",
        "--epochs",
        "1,2",
        "--point",
        "model.dropout=0",
        "--point",
        "model.dropout=0.1",
    ]
    assert ablate.main(flags(dataset, tmp_path / "r.jsonl", *more)) == 0
    shown = capsys.readouterr().out
    assert "seed 1: 4 runs" in shown and "| baseline | 2 epochs, model.dropout=0.1 | 1 |" in shown


def test_originals_are_repeated_until_variants_are_the_share_asked_for(rows):
    for share in (0.1, 0.25):
        repeated = arms.with_variant_share(rows, share).table
        lengths = repeated["length"].astype(int)
        found = lengths[repeated["variant"] != VARIANTS.index(ORIGINAL)].sum() / lengths.sum()
        assert found == pytest.approx(share, abs=0.05)


# --- the results file ------------------------------------------------------------------------------------


def test_appending_cuts_off_a_torn_line_and_keeps_the_whole_ones(tmp_path):
    results = tmp_path / "runs" / "r.jsonl"
    append_result(results, handmade("baseline", 1, [1.0] * 8))
    whole = results.read_bytes()
    results.write_bytes(whole + b'{"arm": "founding", "se')
    said: list[str] = []
    assert len(read_results(results, said.append)) == 1
    assert len(said) == 1 and "torn" in said[0]
    append_result(results, handmade("baseline", 2, [1.0] * 8))
    assert results.read_bytes().startswith(whole)
    assert [record["seed"] for record in read_results(results, said.append)] == [1, 2] and len(said) == 1


@pytest.mark.parametrize("line", [b"{}", b"[1]", b"nonsense", b'{"arm": "baseline"}'])
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    results = tmp_path / "r.jsonl"
    append_result(results, handmade("baseline", 1, [1.0] * 8))
    results.write_bytes(results.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=r"r\.jsonl:2: not the record of a run"):
        read_results(results, print)


def test_the_fields_a_record_needs_are_those_a_run_writes(finished):
    assert set(NEEDED) <= set(read_results(finished, print)[0])


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--arms", "baselin"], "unknown arm 'baselin'"),
        (["--tokens-per-step", "40"], "multiple of the dataset's window of 32"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--set", "optimization.lerning_rate=1"], "did you mean learning_rate?"),
        (["--preset", "huge"], "expected one of"),
        (["--report-only"], "holds no run of these arms"),
    ],
)
def test_a_users_mistake_is_one_line(dataset, tmp_path, capsys, more, expected):
    code = ablate.main(flags(dataset, tmp_path / "r.jsonl", *more))
    error = capsys.readouterr().err
    assert code in (1, 2) and expected in error and error.count("\n") == 1


def test_a_dataset_without_the_overlap_is_refused(dataset, tmp_path, monkeypatch, capsys):
    opened = open_dataset(dataset)
    opened.metadata["overlap_tokens"] = 0
    monkeypatch.setattr(ablate, "open_dataset", lambda path: opened)
    assert ablate.main(flags(dataset, tmp_path / "r.jsonl")) == 2
    assert "--overlap 0.75" in capsys.readouterr().err


def test_help_names_every_arm(capsys):
    with pytest.raises(SystemExit):
        ablate.main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in ARMS)
