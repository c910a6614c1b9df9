"""What a repository says next: an index over its tokens that gives the probability of every token after any text.

No training: counts of what followed the same tokens and the same places in line, block and call, mixed in the logistic
domain with weights that are fitted on the indexed files, each without its own counts, and that go on learning in the
file at hand. Sources: context mixing (Mahoney 2005, PAQ and zpaq), infini-gram (arXiv 2401.17377), the nested cache of
Hellendoorn and Devanbu (FSE 2017).
"""

import effectiveness.memory._native  # noqa: F401 - where it is missing, that is said in a line
from effectiveness.memory.build import build_memory as build_memory
from effectiveness.memory.memory import Memory as Memory
from effectiveness.memory.reader import Reader as Reader
