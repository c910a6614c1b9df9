"""Random runs in many texts at once: stretches of token characters in which letters and digits alternate.

They are found by what is compiled (_places.c); where nothing was, by a regular expression, in many times the time.
"""

from __future__ import annotations

import re

import numpy as np

from effectiveness.corpus.secrets.anchors import _places

MIN_RUN_BYTES = 16
_RUN = re.compile(rb"[A-Za-z0-9_+/.~-]{%d,}" % MIN_RUN_BYTES)
_DIGIT = re.compile(rb"[0-9]")
_CHANGE = re.compile(rb"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")
_MIN_DIGITS, _MIN_CHANGES = 2, 5  # 20 drawn of 36 symbols have 5.6 and 7.6
_BYTES_A_CHANGE = 8  # at most; of 36 symbols it is 2.5
_MAX_COUNTED_BYTES = 256


def random_runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of the runs of 16 token characters or more with two digits, in which letters and digits change.

    view: uint8; its length is a multiple of 8, and in the first 8 and the last 16 bytes there is no token.
    """
    return compiled_runs(view) if _places else runs(view)


def compiled_runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts, lengths = np.empty((2, len(view) // MIN_RUN_BYTES), np.int64)
    num_found = _places.find_runs(view, starts, lengths)
    return starts[:num_found], lengths[:num_found]


def runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by a regular expression."""
    found = (run.span() for run in _RUN.finditer(view.data) if _alternates(run[0][:_MAX_COUNTED_BYTES]))
    starts, ends = np.array([*found], np.int64).reshape(-1, 2).T
    return starts, ends - starts


def _alternates(run: bytes) -> bool:
    """Whether it has digits, and letters, digits and the case change often enough."""
    num_changes = len(_CHANGE.findall(run))
    return (
        num_changes >= max(_MIN_CHANGES, len(run) // _BYTES_A_CHANGE)
        and len(_DIGIT.findall(run)) >= _MIN_DIGITS
    )
