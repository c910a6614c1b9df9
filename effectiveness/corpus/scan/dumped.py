"""What programs write out of a database, a history, an assembly or a protocol: dumps, migrations, changelogs, headers.

Each begins as its program begins it, or names its source in nearly every line; people write neither.
"""

from __future__ import annotations

import re

from effectiveness.languages import Language

MIGRATION = "generated: a migration that a framework wrote"
HISTORY = "generated: a history of commits"
DUMP = "generated: a dump of a database"

PACKING = "generated: the packing of messages"
ASSEMBLY = "generated: an assembly, disassembled"

MIN_COMMITS = 8
COMMITS_SHARE = 2 / 3  # of the bytes; what a person made of such a list, with headings and thanks, had 0.52

_DUMP = re.compile(
    rb"\s{0,8}(?:--\s{0,4}){1,3}(?:PostgreSQL database(?: cluster)? dump|(?:MySQL|MariaDB) dump \d|phpMyAdmin SQL Dump|"
    rb"Adminer [\d.]{1,9} \w{1,20} (?:\d[\d.]{0,9} )?dump|SQLite database dump)|"
    rb"\s{0,8}/\*M?!\d{3,9}\\?-? ?enable the sandbox mode"
)
_PRISMA = re.compile(
    rb"(?:/\*\s{1,8}Warnings:[^/]{0,4000}\*/\s{0,8})?"
    rb"-- (?:(?:Create|Alter|Drop|Rename|Redefine)(?:Tables?|Index|Enum|ForeignKey|Schema)|AddForeignKey)\r?\n"
)
# Rails puts this line above what it copies out of an engine; TypeORM names constraints by hashes.
_OF_AN_ENGINE = re.compile(
    rb"(?:# frozen_string_literal: true\s{1,4})?# This migration comes from \w+ \(originally \d+\)"
)
_TYPEORM = b"implements MigrationInterface"
_HASHED = re.compile(rb"\b(?:PK|FK|IDX|REL|UQ|CHK)_[0-9a-f]{16,}\b")
_MAVLINK = re.compile(rb"(?:#pragma once\s{1,9})?// MESSAGE [A-Z0-9_]{1,80} PACKING\r?\n")
_OF_ILDASM = re.compile(rb"\s{0,8}//  Microsoft \(R\) \.NET (?:Framework )?IL Disassembler\.")
# commit, author and date, as git writes them
_LOG = re.compile(
    rb"commit [0-9a-f]{40}(?: \([^\n]{1,200}\))?\r?\n(?:Merge: [^\n]{1,90}\n)?Author: ?[^\n]{1,200}\r?\nDate: "
)
# Lines of a changelog as standard-version, semantic-release, GitHub and others put it together of commits and requests:
# * **api:** say why ([a1b2c3d](https://...)); * Say why by @a in https://...; - Say why [[#12](https://...)]
_COMMIT = re.compile(
    rb"\(\[`?[0-9a-f]{7,40}`?\]\(https?://[^()\s]{1,200}/commits?/[0-9a-f]{7,40}\)\)|"
    rb"\[`[0-9a-f]{7,40}`\]\(https?://[^()\s]{1,200}/commits?/[0-9a-f]{7,40}\)\s*$|"
    rb" by @[\w\[\]-]{1,60} in (?:\[#\d+\]\()?https?://[^()\s]{1,200}/(?:pull|merge_requests)/\d+\)?\s*$|"
    rb"\[\[#\d+\]\(https?://[^()\s]{1,200}/(?:pull|pulls|merge_requests)/\d+\)\]\s*$|"
    rb"\[!\d+\]\(https?://[^()\s]{1,200}/merge_requests/\d+\) \*@[\w.-]{1,60}\*\s*$"
)
_REQUESTS = b"/commit", b"/pull", b"/merge_requests/"  # one of them stands in each


def dumped_reason(text: bytes, language: Language) -> str:
    """Why a text in `language` is taken for what a program wrote out of something else; "" to keep it."""
    if "SQL" in language.name and _DUMP.match(text):
        return DUMP
    if "SQL" in language.name and _PRISMA.match(text):
        return MIGRATION
    if language.name == "Ruby" and _OF_AN_ENGINE.match(text):
        return MIGRATION
    if language.name in ("TypeScript", "JavaScript") and _TYPEORM in text and _HASHED.search(text):
        return MIGRATION
    if _MAVLINK.match(text):
        return PACKING
    if _OF_ILDASM.match(text):
        return ASSEMBLY
    if _LOG.match(text):
        return HISTORY
    is_prose = language.long_lines or language.name == "Text"
    return HISTORY if is_prose and any(words in text for words in _REQUESTS) and _lists_commits(text) else ""


def _lists_commits(text: bytes) -> bool:
    """Whether most of a text is lines that name a commit or a request each, as a program writes them out of git."""
    lines = [line for line in text.split(b"\n") if _COMMIT.search(line)]
    return len(lines) >= MIN_COMMITS and sum(map(len, lines)) > COMMITS_SHARE * len(text)
