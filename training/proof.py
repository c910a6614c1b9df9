"""`python -m training.proof`, its name before there was one front door: `effectiveness proof`."""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

from effectiveness.cli import main

if __name__ == "__main__":
    sys.exit(main(["proof", *sys.argv[1:]]))
