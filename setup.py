"""The compiled part of the memory; everything else about the package stands in pyproject.toml."""

from setuptools import Extension, find_packages, setup

setup(
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
            # No contraction, no fast math: the same source gives the same floats on every machine.
            extra_compile_args=[
                "-std=c11",
                "-O3",
                "-ffp-contract=off",
                "-fno-math-errno",
                "-fvisibility=hidden",
                "-Wno-psabi",
            ],
            py_limited_api=True,
        )
    ],
)
