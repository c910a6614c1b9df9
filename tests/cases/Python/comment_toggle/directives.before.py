#!/usr/bin/env python3
# -*- coding: utf-8 -*-
# Copyright 2024 Somebody
# All of this header stays.
#
# Also this paragraph.

"""A docstring is not a comment.
# Nor is this line of it.
"""

# A note about imports.
import os  # noqa: F401
import sys  # the plain kind goes

# fmt: off
matrix = [1,0,
          0,1]  # identity
# fmt: on

value = compute()  # type: ignore[attr-defined]
items = []  # type: list[int]
names = {}  # pragma: no cover
url = "http://example.com/#anchor"  # a fragment above is text


#: Sphinx documents this attribute.
LIMIT = 3


def function(a, b=1):
    # type: (int, int) -> int
    # What follows is explained here,
    # on two lines.
    total = a + b  # sum of both
    if total:
        # Only a comment stands before the statement.
        return total  # pylint: disable=no-else-return
    else:  # nothing found
        pass
    # The block ends with a comment.


class Empty:  # isort: skip
    # the body follows

    # after a blank line
    pass
# no line end after this one