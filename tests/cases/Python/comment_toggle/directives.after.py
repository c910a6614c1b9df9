#!/usr/bin/env python3
# -*- coding: utf-8 -*-
# Copyright 2024 Somebody
# All of this header stays.
#
# Also this paragraph.

"""A docstring is not a comment.
# Nor is this line of it.
"""

import os  # noqa: F401
import sys

# fmt: off
matrix = [1,0,
          0,1]
# fmt: on

value = compute()  # type: ignore[attr-defined]
items = []  # type: list[int]
names = {}  # pragma: no cover
url = "http://example.com/#anchor"


#: Sphinx documents this attribute.
LIMIT = 3


def function(a, b=1):
    # type: (int, int) -> int
    total = a + b
    if total:
        return total  # pylint: disable=no-else-return
    else:
        pass


class Empty:  # isort: skip

    pass
