"""python3 -m effectiveness COMMAND in the checkout, or python3 CHECKOUT/effectiveness COMMAND from anywhere."""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from effectiveness.cli import main

if __name__ == "__main__":
    sys.exit(main())
