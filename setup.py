"""What is compiled, and what is needed at run time; all else of the package stands in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, find_packages, setup

FIRST_CHECK = "# Checks, and what builds."  # from there on requirements.txt holds what only the tests need


def dependencies() -> list[str]:
    """The pins of requirements.txt that the commands import."""
    text = (Path(__file__).parent / "requirements.txt").read_text("utf-8").partition(FIRST_CHECK)[0]
    pins = (line.partition("#")[0].strip() for line in text.splitlines())
    return [pin for pin in pins if pin]


# No contraction, no fast math: the same source gives the same floats on every machine.
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-Wno-psabi"]

setup(
    install_requires=dependencies(),
    packages=[*find_packages(include=["effectiveness*"]), "effectiveness.training"],
    ext_modules=[
        Extension(
            "effectiveness.memory._native",
            sources=["effectiveness/memory/_native.c"],
            depends=[
                f"effectiveness/memory/native/{name}.h"
                for name in (
                    "base",
                    "building",
                    "contexts",
                    "index",
                    "mixer",
                    "python_index",
                    "python_reader",
                    "reader",
                    "search",
                    "tree",
                )
            ],
            extra_compile_args=FLAGS,
            py_limited_api=True,
        ),
        Extension(
            "effectiveness.corpus.secrets._places",
            sources=["effectiveness/corpus/secrets/_places.c"],
            extra_compile_args=FLAGS,
            py_limited_api=True,
        ),
    ],
)
