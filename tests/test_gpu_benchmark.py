"""benchmarks/gpu.py in its small form on a CPU, so that it works in the minutes a GPU is at hand."""

import json
from pathlib import Path

import pytest
from training_fixtures import write_dataset

from benchmarks import gpu_candidates
from benchmarks.gpu import UNFINISHED, Results, main
from benchmarks.gpu_memory import at_peak
from benchmarks.gpu_sections import SECTIONS
from effectiveness.trainer import attention, objective
from effectiveness.trainer.lora import LoraLinear


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The directory of results of one small run of all sections."""
    directory = tmp_path_factory.mktemp("gpu")
    write_dataset(directory / "kit" / "data", window=64)
    flags = {
        "kit": directory / "kit",
        "output": directory / "results",
        "work": directory / "work",
        "budget": 500,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert (
            main(["--small", *(word for key, value in flags.items() for word in (f"--{key}", str(value)))])
            == 0
        )
    return directory / "results"


def test_every_section_ends_well_in_its_small_form(results):
    (file,) = results.glob("gpu-small-*.json")
    sections = json.loads(file.read_text())["sections"]
    assert {name: seen["state"] for name, seen in sections.items()} == dict.fromkeys(SECTIONS, "done")
    assert all(seen["rows"] for seen in sections.values())
    failed = [
        row for seen in sections.values() for row in seen["rows"] if "failed" in row or row.get("exit_code")
    ]
    assert not failed


def test_what_a_killed_section_had_found_is_in_the_files(tmp_path):
    first = Results(tmp_path, "gpu-x", resume=False)
    first.begin("base")
    first.add("base", {"what": "seen", "tokens/s": 12_345})
    again = Results(tmp_path, "gpu-x", resume=True)
    assert again.found["sections"]["base"] == {
        "state": UNFINISHED,
        "rows": [{"what": "seen", "tokens/s": 12_345}],
    }
    assert "- seen: tokens/s 12,345" in (tmp_path / "gpu-x.md").read_text()


def test_what_is_held_at_the_peak_counts_what_was_there_before_and_not_what_is_freed():
    events = [
        {"action": "alloc", "addr": 2, "size": 30},
        {"action": "free_requested", "addr": 1},
        {"action": "free_completed", "addr": 1},
        {"action": "alloc", "addr": 3, "size": 30},  # the peak: 60, where 10 are gone
        {"action": "free_completed", "addr": 2},
        {"action": "alloc", "addr": 4, "size": 5},
    ]
    most, sizes = at_peak({1: 10, 9: 0}, events)
    assert most == 60 and sizes[30] == 2 and sizes[10] == 0


@pytest.mark.parametrize("name", gpu_candidates.CANDIDATES)
def test_a_candidate_is_in_place_for_the_time_of_a_run_or_names_the_package_it_lacks(name):
    made = gpu_candidates.CANDIDATES[name]
    if name == "flash_attention_3":
        with pytest.raises(ModuleNotFoundError, match="flash_attn_interface"), gpu_candidates.applied(name):
            pass
        return
    before = what_candidates_change()
    with made():
        assert what_candidates_change() != before
    assert what_candidates_change() == before


def what_candidates_change() -> list:
    return [{**objective.CHUNK_ELEMENTS}, {**objective.MAKE_TWICE}, attention._repeat, LoraLinear.forward]
