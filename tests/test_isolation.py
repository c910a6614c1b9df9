"""Nothing of the working directory or of a scanned repository is imported, loaded or started, by whatever way."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_repository import make_repository

from effectiveness import isolation
from effectiveness.cli import COMMANDS
from effectiveness.common import programs

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = [
    ROOT / "create_training_dataset_effectiveness.py",
    *(path for name in ("effectiveness", "training", "benchmarks") for path in (ROOT / name).rglob("*.py")),
]
SCRIPTS = [
    path
    for path in [*PRODUCT, *(ROOT / "tests").glob("*.py")]
    if '\nif __name__ == "__main__":\n    sys.exit(' in path.read_text("utf-8")
    and path.name != "publish_victim.py"
]
ENTRY_POINTS = [
    *(["create_training_dataset_effectiveness.py"], ["training/model_trainer_unified.py"]),
    *(["training/proof.py"], ["training/ablate.py"]),
    *(["effectiveness"], *(["effectiveness", name] for name in COMMANDS)),
]
# Python's, the requirements', ours, and what Python looks for by itself.
MODULES = [
    "argparse",
    "ast",
    "ctypes",
    "json",
    "pathlib",
    "random",
    "select",
    "signal",
    "socket",
    "struct",
    "subprocess",
    "tempfile",
    "typing",
    "numpy",
    "orjson",
    "tokenizers",
    "torch",
    "transformers",
    "yaml",
    "rensa",
    "gigatoken",
    "tqdm",
    "tree_sitter",
    "triton",
    "numba",
    "flash_attn",
    "matplotlib",
    "training",
    "effectiveness",
    "benchmarks",
    "create_training_dataset_effectiveness",
    "dataset_checks",
]
PACKAGES = ("multiprocessing", "concurrent", "importlib", "logging", "collections", "email")
BY_ITSELF = ("sitecustomize", "usercustomize")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A repository whose every file leaves a trace when it is imported or started."""
    root = tmp_path / "hostile"
    make_repository(root)
    trap = f"import posix\nposix.close(posix.open({str(tmp_path / 'RAN')!r}, 65, 420))\nraise SystemExit('trapped')\n"
    for name in (*MODULES, *BY_ITSELF):
        (root / f"{name}.py").write_text(trap)
    for name in PACKAGES:
        (root / name).mkdir()
        (root / name / "__init__.py").write_text(trap)
    for directory in (root, root / "node_modules" / ".bin"):
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("git", "gcc", "cc", "ldconfig", "nvidia-smi", "python3", "sysctl", "uname"):
            (directory / name).write_text(f"#!/bin/sh\n: > '{tmp_path}/RAN'\nexit 1\n")
            (directory / name).chmod(0o755)
    return root


def without_python_variables() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run(
    flags: list[str], words: list[object], cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, *map(str, words)]
    env = without_python_variables() | variables
    return subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def ran(hostile: Path) -> bool:
    return (hostile.parent / "RAN").exists()


@pytest.mark.parametrize("flags", [[], ["-I"]], ids=" ".join)
@pytest.mark.parametrize("entry", ENTRY_POINTS, ids=" ".join)
def test_every_command_starts_in_a_hostile_directory_and_imports_nothing_of_it(hostile, entry, flags):
    done = run(flags, [ROOT / entry[0], *entry[1:], "--help"], hostile)
    assert (done.returncode, done.stdout[:7]) == (0, "usage: "), done.stderr
    assert not ran(hostile)


# What runs a directory is read before any line of ours.
@pytest.mark.parametrize("entry", ENTRY_POINTS[:4], ids=" ".join)
def test_an_empty_or_relative_part_of_the_python_path_brings_nothing_in(hostile, entry):
    for name in BY_ITSELF:
        (hostile / f"{name}.py").unlink()  # the interpreter runs these before any line of ours
    for name in (*PACKAGES, "argparse", "typing"):  # what `site` may load for a .pth file of this environment
        assert (hostile / name).exists() or (hostile / f"{name}.py").exists()
    done = run(
        [],
        [ROOT / entry[0], "--help"],
        hostile,
        PYTHONPATH=f"::.:{ROOT}/nothing",
        PYTHONPYCACHEPREFIX="cache",
    )
    assert (done.returncode, done.stdout[:7]) == (0, "usage: "), done.stderr
    assert not ran(hostile) and not (hostile / "cache" / str(ROOT)[1:] / "effectiveness" / "common").exists()


def test_python_safe_path_does_not_keep_a_command_from_its_own_packages(hostile):
    for entry in ENTRY_POINTS[:7]:
        assert run([], [ROOT / entry[0], "--help"], hostile, PYTHONSAFEPATH="1").returncode == 0


def test_the_front_door_opens_from_the_checkout(tmp_path):
    done = run([], ["-m", "effectiveness", "complete", tmp_path / "none", "x"], ROOT)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert run([], ["-m", "effectiveness", "datset"], ROOT).stderr.startswith(
        "error: unknown command 'datset'; did you"
    )


PATHS = {
    "empty": ":{real}",
    "relative": "node_modules/.bin:.:{real}",
    "within": "{root}/node_modules/.bin:{real}",
    "link": "{root}/../elsewhere/.bin:{real}",
}


@pytest.mark.parametrize("how", PATHS)
def test_a_build_in_a_hostile_repository_runs_nothing_of_it(hostile, how):
    """Workers are forked and spawned, git is asked, the library of a graphics card is looked for."""
    (hostile.parent / "elsewhere").symlink_to(hostile / "node_modules")
    variables = {"PATH": PATHS[how].format(root=hostile, real=os.environ["PATH"]), "LD_LIBRARY_PATH": ":"}
    flags = []
    match how:
        case "relative":
            flags = ["-E"]  # whose children do not read PYTHONSAFEPATH
        case "within":
            for name in BY_ITSELF:
                (hostile / f"{name}.py").unlink()
            variables |= {"PYTHONPATH": str(hostile), "LD_LIBRARY_PATH": str(hostile)}
    words = ["--output", hostile.parent / "data", "--workers", "2", "--max-tokens", "64"]
    words += ["--until", "2999-01-01"] if how == "link" else []
    subprocess.run(["git", "-C", hostile, "init", "-q"], check=True)
    subprocess.run(["git", "-C", hostile, "add", "."], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", hostile, *who, "commit", "-qm", "one"], check=True)
    done = run(flags, [ROOT / "create_training_dataset_effectiveness.py", *words], hostile, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not ran(hostile)
    assert "no git on PATH" not in done.stdout
    assert ("nothing is imported from" in done.stderr) == (how == "within")


PROBE = """
import os, sys
if __name__ in ("__main__", "__mp_main__"):
    sys.path.insert(0, {root!r})
    from effectiveness.isolation import isolate
    isolate()
import multiprocessing, subprocess
def look(queue=None):
    print(multiprocessing.current_process().name.partition("-")[0], *sys.path, sep="|", flush=True)
if __name__ == "__main__":
    look()
    for method in ("fork", "spawn", "forkserver"):
        process = multiprocessing.get_context(method).Process(target=look)
        process.start()
        process.join()
    subprocess.run([sys.executable, "-c", "import sys; print('plain', *sys.path, sep='|')"])
    print("env", os.environ["PATH"], os.environ.get("LD_LIBRARY_PATH"), os.environ.get("PYTHONPATH"), sep="|")
"""
NAMES = ["MainProcess", "ForkProcess", "SpawnProcess", "ForkServerProcess", "plain", "env"]


@pytest.mark.parametrize("flags", [[], ["-I"], ["-P"], ["-E"], ["-s"]], ids=" ".join)
def test_no_child_has_the_working_directory_on_its_path(hostile, tmp_path, flags):
    """Forked, spawned, from a server, with its resource tracker, and a plain one that a library may start."""
    probe = tmp_path / "elsewhere" / "probe.py"
    probe.parent.mkdir()
    probe.write_text(PROBE.format(root=str(ROOT)))
    variables = {"LD_LIBRARY_PATH": "/nowhere:", "PATH": f":{os.environ['PATH']}"}
    done = run(flags, [probe], hostile, **variables)
    lines = [line.split("|") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == NAMES, done.stderr
    for _, *path in lines[:-1]:
        assert not {"", ".", str(hostile), os.path.realpath(hostile)} & set(path)
    assert lines[-1] == ["env", os.environ["PATH"], "/nowhere", "None"]
    assert not ran(hostile)


def test_a_module_started_by_name_leaves_the_working_directory_behind(hostile):
    """The file's directory is the working directory, which Python has put first; what `runpy` needs is not in it."""
    for path in hostile.glob("*"):
        if path.stem not in ("multiprocessing", "subprocess", "numpy"):
            path.rename(hostile.parent / path.name)
    (hostile / "probe.py").write_text(PROBE.format(root=str(ROOT)))
    done = run([], ["-m", "probe"], hostile)
    assert [line.partition("|")[0] for line in done.stdout.splitlines()] == NAMES, done.stderr
    assert str(hostile) not in done.stdout and not ran(hostile)


def test_our_packages_are_ours_whatever_else_has_their_names(tmp_path):
    for name in isolation.PACKAGES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('another one')\n")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from effectiveness.isolation import isolate; isolate(); "
        f"sys.path.insert(0, {str(tmp_path)!r}); import training, create_training_dataset_effectiveness as c; "
        "print(training.__file__, c.__file__)"
    )
    done = run(["-I"], ["-c", code], tmp_path)
    assert all(place.startswith(f"{ROOT}/") for place in done.stdout.split()) and done.stdout, done.stderr


# --- programs --------------------------------------------------------------------------------------------


def test_a_program_within_what_is_scanned_is_not_found_by_any_name(hostile, tmp_path, monkeypatch):
    (tmp_path / "into").symlink_to(hostile)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(hostile / "git")
    (tmp_path / "good").mkdir()
    real = tmp_path / "good" / "git"
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    monkeypatch.chdir(hostile)
    parts = [
        "",
        ".",
        "node_modules/.bin",
        "~",
        str(hostile),
        f"{tmp_path}/good/../hostile",
        f"{tmp_path}/into",
    ]
    monkeypatch.setenv("PATH", os.pathsep.join([*parts, str(tmp_path / "bin"), str(tmp_path / "good")]))
    assert programs.find_program("git", hostile) == str(real)
    assert programs.path_variable(hostile) == os.pathsep.join([str(tmp_path / "bin"), str(tmp_path / "good")])
    assert programs.find_program("git", tmp_path) is None and programs.path_variable(tmp_path) == os.devnull
    assert programs.find_program("git", "/") is None


def test_a_program_without_its_whole_path_is_not_started():
    with pytest.raises(AssertionError, match="would be looked up"):
        programs.run(["git", "--version"])


STARTERS = {
    *(
        "subprocess.run",
        "subprocess.Popen",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
    ),
    *(
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "os.system",
        "os.popen",
        "os.startfile",
        "pty.spawn",
    ),
    *("shutil.which", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "find_library"),
    *("ctypes.util.find_library", "os.posix_spawn", "os.posix_spawnp", "webbrowser.open"),
}


def starts_of(path: Path) -> set[str]:
    calls = [
        ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)
    ]
    return {name for name in calls if name in STARTERS or name.startswith(("os.exec", "os.spawn"))}


@pytest.mark.parametrize("path", [*PRODUCT, *(ROOT / "tests" / "oracles").glob("*.py")], ids=lambda p: p.name)
def test_programs_are_started_in_one_place_only(path):
    allowed = {
        "programs.py": {"subprocess.run", "subprocess.Popen"},
        "isolation.py": {"os.execv"},  # this interpreter, once more
    }
    assert starts_of(path) <= (
        allowed.get(path.name, set()) if path.parent.name in ("effectiveness", "common") else set()
    )
    imported = {a.name for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)
                and n.module in ("subprocess", "os", "shutil") for a in n.names}  # fmt: skip
    assert not {f"{m}.{name}" for m in ("subprocess", "os", "shutil") for name in imported} & STARTERS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_script_isolates_itself_before_it_imports_anything(path):
    first = [node for node in ast.parse(path.read_text("utf-8")).body if not isinstance(node, ast.Expr)][:3]
    if path.parent.name == "effectiveness":
        assert [ast.unparse(node) for node in first[:2]] == ["import os", "import sys"]
        return
    assert [ast.unparse(node) for node in first[:2]] == ["import os", "import sys"]
    assert ast.unparse(first[2]).startswith(
        "if __name__ in ('__main__', '__mp_main__'):\n    sys.path.insert(0, "
    )
    assert ast.unparse(first[2].body[-1]).startswith("isolate(")


def test_isolation_imports_only_what_the_interpreter_has_loaded():
    tree = ast.parse((ROOT / "effectiveness" / "isolation.py").read_text("utf-8"))
    top = {name for n in tree.body for name in ([a.name for a in n.names] if isinstance(n, ast.Import) else
           [n.module] if isinstance(n, ast.ImportFrom) else [])}  # fmt: skip
    done = run(["-S", "-P"], ["-c", "import sys; print(*sys.modules)"], ROOT)
    assert top <= {*done.stdout.split(), "os"}
    assert len(SCRIPTS) >= 15 and str(ROOT) == isolation.ROOT


@pytest.mark.parametrize("script", [["-m", "effectiveness", "serve"], *([str(path)] for path in SCRIPTS[:2])])
def test_a_system_without_fcntl_is_told_so_in_one_line_by_every_command(script, tmp_path):
    """Windows: a build died in the traceback of a file that locks."""
    run_it = "runpy.run_module('effectiveness', run_name='__main__')" if script[0] == "-m" else (
        f"runpy.run_path({script[0]!r}, run_name='__main__')")  # fmt: skip
    code = f"import runpy, sys; sys.modules['fcntl'] = None; sys.path.insert(0, {str(ROOT)!r}); {run_it}"
    done = run([], ["-c", code, *script[1:]], tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == "FAILED" and "WSL2" in done.stderr.splitlines()[-2]
    assert "Traceback" not in done.stderr


# --- started within what is hostile ----------------------------------------------------------------------

# What `python -m` itself needs before our first line: those cannot be helped from here (see effectiveness.isolation).
OF_RUNPY = (
    "importlib",
    "collections",
    "typing",
    "effectiveness",
    "training",
    "create_training_dataset_effectiveness",
)
BY_NAME = [
    *(["effectiveness", name] for name in COMMANDS),
    ["training.model_trainer_unified"],
    ["training.proof"],
]


def without(hostile: Path, names: tuple[str, ...]) -> None:
    for name in names:
        for path in (hostile / name, hostile / f"{name}.py"):
            if path.exists():
                path.rename(hostile.parent / f"aside-{path.name}")


@pytest.mark.parametrize("entry", BY_NAME, ids=" ".join)
def test_every_command_by_its_module_name_imports_nothing_of_the_hostile_directory_it_is_in(hostile, entry):
    without(hostile, (*OF_RUNPY, *BY_ITSELF))
    module, *words = entry
    done = run([], ["-m", module, *words, "--help"], hostile, PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stdout[:7]) == (0, "usage: "), done.stderr
    assert not ran(hostile)


@pytest.mark.parametrize("entry", [["dataset"], ["train"], ["serve"]], ids=" ".join)
def test_the_installed_command_imports_nothing_of_the_hostile_directory_it_is_in(hostile, tmp_path, entry):
    """What pip writes for it, in a directory of its own."""
    without(hostile, BY_ITSELF)
    script = tmp_path / "bin" / "effectiveness"
    script.parent.mkdir()
    script.write_text("import sys\nfrom effectiveness.cli import main\nsys.exit(main())\n")
    done = run([], [script, *entry, "--help"], hostile, PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stdout[:7]) == (0, "usage: "), done.stderr
    assert not ran(hostile)


# Variables by which Python runs something, or by which a library loads what was compiled.
PYTHON_VARIABLES = {
    "PYTHONSTARTUP": "{root}/argparse.py",
    "PYTHONBREAKPOINT": "argparse.parse",
    "PYTHONWARNINGS": "error::argparse.Warning,ignore::select.Odd",
    "PYTHONPLATLIBDIR": "lib",
    "PYTHONCASEOK": "1",
    "PYTHONUSERBASE": "{root}",
    "PYTHONPYCACHEPREFIX": "{root}",
    "TORCHINDUCTOR_CACHE_DIR": "{root}/cache",
    "TRITON_CACHE_DIR": "{root}/cache",
    "NUMBA_CACHE_DIR": "{root}/cache",
    "TORCH_EXTENSIONS_DIR": "{root}/cache",
    "CUDA_CACHE_PATH": "{root}/cache",
    "HF_MODULES_CACHE": "{root}/cache",
    "CC": "{root}/gcc",
    "CXX": "./cc",
    "LD_LIBRARY_PATH": "{root}:",
}


# Of 606 variables that torch, triton, transformers and numpy read some hundred name files; no list of them is whole.
OF_A_LIBRARY = {
    "TORCHINDUCTOR_CUTLASS_DIR": "{root}/cutlass",
    "TORCHINDUCTOR_CK_DIR": "./src",
    "PYTORCH_NVCC": "{root}/gcc",
    "HALIDE_LIB": "{root}/../hostile/libhalide.so",
    "TRITON_PLUGIN_PATHS": "{root}/x.so:{root}/y.so",
    "TRITON_LIBDEVICE_PATH": "src/../libdevice.bc",
    "NCCL_NET_PLUGIN": "{root}/libnccl-net.so",
    "CUDA_INJECTION64_PATH": "{root}/inject.so",
    "NVCC_APPEND_FLAGS": "-ccbin {root}/gcc -O3",
    "CFLAGS": "-O2 -B{root}",
    "OPENSSL_CONF": "openssl.cnf",
    "OPENSSL_MODULES": "{root}",
    "GCONV_PATH": ".",
    "MPLCONFIGDIR": "{root}/.config",
    "SOMETHING_NOBODY_HAS_HEARD_OF": "{root}/src",
}
OF_THE_USER = {
    "HF_HOME": "{root}/.cache",
    "VIRTUAL_ENV": "{root}/.venv",
    "TZ": "Europe/Berlin",
    "RANK": "0",
    "NO_PROXY": "a.example:8080",
    "LANG": "C.UTF-8",
    "MINE": "{root}2/cache:/nowhere/else",
    "EMPTY": "",
}
SHOW = """
import os, sys
sys.path.insert(0, {root!r})
from effectiveness.isolation import distrust, isolate
isolate()
distrust({scanned!r})
print(*(f"{{name}}={{os.environ[name]}}" for name in {names!r} if name in os.environ), sep="\\n")
"""


def test_no_variable_of_any_library_names_a_file_of_what_is_scanned(hostile):
    (hostile / "openssl.cnf").write_text("x")
    (hostile / "libdevice.bc").write_text("x")
    given = {name: text.format(root=hostile) for name, text in (OF_A_LIBRARY | OF_THE_USER).items()}
    code = SHOW.format(root=str(ROOT), scanned=str(hostile), names=[*given])
    done = run([], ["-c", code], hostile, **given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}={given[name]}" for name in OF_THE_USER], done.stdout


def with_compiled_files(hostile: Path) -> None:
    """Shared objects that are none, by names that are looked for, and a file that is long enough to be asked about."""
    for name in (
        "_native.abi3.so",
        "_places.abi3.so",
        "numpy.so",
        "_ctypes.so",
        "libcuda.so.1",
        "libgomp.so.1",
        "libopenblas.so.0",
    ):
        (hostile / name).write_bytes(b"\x7fELF not really")
    (hostile / "effectiveness").mkdir()
    (hostile / "effectiveness" / "_native.abi3.so").write_bytes(b"\x7fELF not really")
    lines = "".join(
        f"def total_of_{n}(first, second):\n    return first * {n} + second\n\n" for n in range(60)
    )
    (hostile / "src" / "long_enough.py").write_text(lines)


@pytest.mark.parametrize("flags", [[], ["-E"]], ids=" ".join)
def test_a_server_of_the_hostile_repository_that_it_is_started_in_runs_nothing_of_it(hostile, flags):
    """Not even where PYTHONPATH and PATH name the repository in full, as an editor's terminal may."""
    without(hostile, (*OF_RUNPY, *BY_ITSELF))
    with_compiled_files(hostile)
    variables = {name: text.format(root=hostile) for name, text in PYTHON_VARIABLES.items()}
    del variables[
        "PYTHONWARNINGS"
    ]  # the interpreter imports its module from PYTHONPATH before our first line
    variables |= {"PYTHONPATH": f"{hostile}:.:", "PATH": f"{hostile}:.:{os.environ['PATH']}"}
    command = [
        sys.executable,
        *flags,
        str(ROOT / "effectiveness"),
        "serve",
        "--repository",
        ".",
        "--port",
        "0",
    ]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        command, cwd=hostile, env=without_python_variables() | variables, **pipes
    ) as server:
        lines = [server.stdout.readline() for _ in range(2)]
        server.terminate()
        _, error = server.communicate()
    assert (server.returncode, lines[1][:15]) == (0, "serving  http:/"), (lines, error)
    assert "Traceback" not in error and not ran(hostile)
    assert ("nothing is imported from" in error) == (not flags)
    assert not (hostile / "cache").exists()


def test_no_variable_of_python_or_of_a_compiler_has_a_build_run_something(hostile):
    without(hostile, BY_ITSELF)
    (hostile / "effectiveness.py").unlink()
    with_compiled_files(hostile)
    variables = {name: text.format(root=hostile) for name, text in PYTHON_VARIABLES.items()}
    words = ["--output", hostile.parent / "data", "--workers", "2", "--max-tokens", "64"]
    done = run([], [ROOT / "create_training_dataset_effectiveness.py", *words, "."], hostile, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not ran(hostile) and not (hostile / "cache").exists()
