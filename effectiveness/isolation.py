"""Called first by every command: nothing of a scanned repository, or of the directory one is in, is imported or run.

Python puts the working directory, and whatever PYTHONPATH names, before its own library, here and in every child that
it starts (`python -c` of multiprocessing's workers and of its resource tracker, torch's compile workers). An empty or
relative part of PATH or LD_LIBRARY_PATH is looked up in the working directory, too. So the path of this process is put
in order before anything else is imported, and the environment says the same to all that is started later.

What cannot be helped from here: the interpreter itself reads `encodings` and `sitecustomize` from PYTHONPATH, and for
`python -m` what `runpy` needs from the working directory, before the first line of ours. `python3 -I` closes that.

Nothing may be imported here that the interpreter has not loaded by itself: it would be looked up on the path that is
about to be put in order. `from __future__` is such an import.
"""

import os
import sys
from _frozen_importlib_external import PathFinder

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# Else what pip installed: there the scripts lie in nobody's reach, and `effectiveness COMMAND` is what one types.
IS_CHECKOUT = os.path.exists(os.path.join(ROOT, "training", "model_trainer_unified.py"))
COMPILED = "effectiveness.memory._native"
PACKAGES = ("effectiveness", "training", "benchmarks", "tests", "create_training_dataset_effectiveness")

LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
COMPILER_PATHS = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH")
SEARCH_PATHS = ("PATH", "PYTHONPATH", *LIBRARY_PATHS, *COMPILER_PATHS)
# Directories of compiled code that is loaded, and programs that libraries start; what is named by its whole path or
# with a slash is found without a list, in every other variable but these, which name data and the user's own places.
OF_THE_USER = {
    *("HOME", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "VIRTUAL_ENV", "EFFECTIVENESS_REPO", "_"),
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
}
CODE_DIRECTORIES = (
    *("PYTHONPYCACHEPREFIX", "PYTHONUSERBASE", "HF_MODULES_CACHE", "NUMBA_CACHE_DIR", "CUDA_CACHE_PATH"),
    *(
        "TORCHINDUCTOR_CACHE_DIR",
        "TORCH_EXTENSIONS_DIR",
        "TRITON_HOME",
        "TRITON_CACHE_DIR",
        "TRITON_OVERRIDE_DIR",
    ),
    *("CUDA_HOME", "CUDA_PATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "GCONV_PATH"),
)
PROGRAMS = ("CC", "CXX", "TRITON_PTXAS_PATH")
NOWHERE = os.devnull  # as PATH: no program is found; an empty one would mean the working directory

_command: list[str] = []  # as it was started; empty where this is no process of ours


def isolate(beside: str | None = None) -> None:
    """Put the import path and the environment of this process in order. `beside`: a directory of ours to import from.

    May start the same command once more, in this process's place, where the interpreter's own flags cannot be mended.
    """
    _command[:] = sys.argv
    sys.excepthook = _tell_of_a_missing_library
    sys.path[:] = _import_path([beside] if beside else [])
    _refuse_a_system_without_locks()
    sys.pycache_prefix = _kept(sys.pycache_prefix, ())
    main = sys.modules["__main__"]
    main.__spec__ = None  # a spawned child starts from this file, not from a name that it would have to find
    libraries = _clean_environment(())
    os.environ["PYTHONSAFEPATH"] = "1"
    # Under -E the children get -E, too, and would not read the variable. A library path is read once, by the linker.
    if libraries or (sys.flags.ignore_environment and not sys.flags.safe_path):
        _start_again()


def _tell_of_a_missing_library(kind, error, traceback):
    """One line where the wrong interpreter was taken; whatever else nobody caught is a defect, with its traceback."""
    whole = getattr(error, "name", None) or ""
    name, is_compiled = whole.partition(".")[0], whole == COMPILED
    is_ours = name in (*PACKAGES, *sys.stdlib_module_names, "") and not is_compiled
    if not issubclass(kind, ModuleNotFoundError) or is_ours:
        sys.__excepthook__(kind, error, traceback)
        return
    from effectiveness.common.invocation import not_compiled, without

    print(f"error: {not_compiled() if is_compiled else without(name)}\nFAILED", file=sys.stderr, flush=True)
    raise SystemExit(2)


def _refuse_a_system_without_locks() -> None:
    """Windows, in practice: one line and exit code 2 instead of a traceback out of the first file that needs them."""
    try:
        import fcntl  # noqa: F401 - the path is in order by now
    except ImportError:
        print(
            "error: Windows is not supported: files are locked and replaced as Linux and macOS do it; "
            "run this in WSL2 (wsl --install)\nFAILED",
            file=sys.stderr,
        )
        raise SystemExit(2) from None


def distrust(scanned: os.PathLike | str, *more: os.PathLike | str) -> None:
    """From now on nothing below these directories is imported or run, here and by what is started later, even where
    PYTHONPATH, PATH, an editable install or another variable of the environment names it in full.

    Nor is `scanned` itself imported as a package from the directory that holds it. The command's own files and the
    interpreter's library stay, wherever they lie.
    """
    if not _command:  # called as a function, in somebody else's process
        return
    roots = tuple(os.path.realpath(place) for place in (scanned, *more))
    own, before = {ROOT, *_of_the_interpreter()}, list(sys.path)
    sys.path[:] = [p for p in sys.path if p in own or (search_path(p, roots) and not _holds(p, roots[0]))]
    sys.path_importer_cache.clear()
    sys.pycache_prefix = _kept(sys.pycache_prefix, roots)
    libraries = _clean_environment(roots)
    for path in (p for p in before if p not in sys.path):
        print(f"note: nothing is imported from {path!a}: it belongs to what is scanned", file=sys.stderr)
    if libraries:
        _start_again()


class _OwnPackages:
    """Finds this product's packages where this file is, whatever else has their names."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [ROOT]) if name in PACKAGES else None


sys.meta_path.insert(0, _OwnPackages)  # in spawned children, too: they import what the parent's file imports


# --- the import path -------------------------------------------------------------------------------------


def _import_path(beside: list[str]) -> list[str]:
    """The interpreter's own library first, then what PYTHONPATH or a `.pth` file names in full, then our root."""
    own, relative = _of_the_interpreter(), _named_by_a_relative_path()
    kept = [p for p in sys.path if os.path.isabs(p) and p not in relative and not _is_place_of_a_script(p)]
    return [
        *beside,
        *(p for p in sys.path if p in own),
        *(p for p in kept if p not in own and p != ROOT),
        ROOT,
    ]


def _of_the_interpreter() -> set[str]:
    library = os.path.dirname(os.__file__)
    archive = "python{}{}.zip".format(*sys.version_info)
    site = sys.modules.get("site")  # not there under -S
    packages = [*site.getsitepackages(), site.getusersitepackages()] if site else []
    packages = [p for p in packages if os.path.isabs(p)]  # PYTHONUSERBASE may be anything
    return {
        library,
        os.path.join(library, "lib-dynload"),
        os.path.join(os.path.dirname(library), archive),
        *packages,
    }


def _named_by_a_relative_path() -> set[str]:
    """Entries that Python has made absolute: "" and "." of PYTHONPATH, and what `-c` and `-m` add."""
    try:
        here = os.getcwd()
    except OSError:  # the directory is gone, and whatever was in it
        return set()
    site = sys.modules.get("site")
    asked = [] if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    relative = [p for p in [*asked, *([site.getusersitepackages()] if site else [])] if not os.path.isabs(p)]
    return {os.path.abspath(p) for p in relative} | ({here} - set(asked))


def _is_place_of_a_script(path: str) -> bool:
    """The directory within our own tree that Python adds for a script that lies there: its names are not top-level."""
    script = os.path.realpath(sys.argv[0])
    return path.startswith(ROOT + os.sep) and os.path.realpath(path) in (script, os.path.dirname(script))


# --- the environment -------------------------------------------------------------------------------------


def _clean_environment(roots: tuple[str, ...]) -> bool:
    """Leave nothing in it that names code by a relative path or below a root; whether the linker's path has changed."""
    before = [os.environ.get(name) for name in LIBRARY_PATHS]
    for name in SEARCH_PATHS:
        if name in os.environ:
            kept = search_path(os.environ[name], roots)
            if name == "PYTHONPATH":
                kept = [p for p in kept if not (roots and _holds(p, roots[0]))]
            _set(name, os.pathsep.join(kept) or (NOWHERE if name == "PATH" else None))
    for name in CODE_DIRECTORIES:
        _set(name, _kept(os.environ.get(name), roots))
    for name in PROGRAMS:
        if os.sep in os.environ.get(name, ""):
            _set(name, _kept(os.environ[name], roots))
    for name in os.environ.keys() - OF_THE_USER - set(SEARCH_PATHS):
        _set(name, _trusted(os.environ[name], roots))
    os.environ.setdefault(
        "PATH", os.defpath
    )  # C libraries disagree about what none means; some look around here
    return before != [os.environ.get(name) for name in LIBRARY_PATHS]


def _trusted(value: str, roots: tuple[str, ...]) -> str | None:
    """A variable without the parts that name a file here or below a root; None where nothing is left of it."""
    parts = value.split(os.pathsep)
    kept = [part for part in parts if not _is_of(roots, part)]
    return value if kept == parts else os.pathsep.join(kept) or None


def _is_of(roots: tuple[str, ...], part: str) -> bool:
    """Whether it is a path there, or flags that hold one."""
    if os.path.isabs(part) and not search_path(part, roots):
        return True
    if not os.path.isabs(part) and os.sep in part and os.path.lexists(part):
        return True
    roots = tuple(root for root in roots if root != os.sep)
    return any(part.endswith(root) or f"{root}{os.sep}" in part or f"{root} " in part for root in roots)


def search_path(parts: str, roots: tuple[str, ...] = ()) -> list[str]:
    """The absolute parts of PATH or the like that do not lie below a root (a real path), whatever links they are."""
    kept = [part for part in parts.split(os.pathsep) if os.path.isabs(part)]
    return [part for part in kept if not any(is_below(os.path.realpath(part), root) for root in roots)]


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or lies below it, as the file system sees it: case and mounts may hide it in a name."""
    sought = _identity(root)
    while _identity(path) != sought:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _identity(path: str) -> tuple[int, int] | str:
    try:
        found = os.stat(path)
    except OSError:  # not there: nothing but its name
        return path
    return found.st_dev, found.st_ino


def _holds(path: str, root: str) -> bool:
    return _identity(path) == _identity(os.path.dirname(root))


def _kept(path: str | None, roots: tuple[str, ...]) -> str | None:
    return path if path and search_path(path, roots) == [path] else None


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _start_again() -> None:
    """The same command with the environment as it is now, and without the working directory on its path."""
    # What multiprocessing gives its children, too; typeshed lists no private names.
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    flags = [*_args_from_interpreter_flags(), *([] if sys.flags.safe_path else ["-P"])]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *flags, *_command])
