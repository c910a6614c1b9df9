"""The .gitignore and .gitattributes files of a tree, read by the walk itself.

.gitignore only where git cannot be asked. A directory that is ignored is not walked, so nothing in it can be taken
back by a later `!` - which is git's rule, and what matching whole paths one by one gets wrong.
"""

from __future__ import annotations

from typing import NamedTuple

from effectiveness.corpus.scan.beneath import Beneath, UnstableFile
from effectiveness.corpus.scan.globs import Glob, compile_glob, glob_matches

IGNORED = "ignored by .gitignore"
WALKED = "the .gitignore files"  # in place of "git", in what is said about the listing
MAX_RULE_FILE_BYTES = 1 << 20
LANGUAGE = b"linguist-language"
_SWITCHES = (b"linguist-vendored", b"linguist-generated", b"linguist-documentation")
_VALUES = {b"": True, b"=true": True, b"=1": True, b"=false": False, b"=0": False}


class AttributeRule(NamedTuple):
    """One line of a rule file: paths that match get the value for the attribute."""

    glob: Glob
    attribute: bytes
    value: bool | bytes | None  # None: unspecified again


class _RuleFiles:
    """The rule files above a path. The deepest file with a matching line decides, and in it the last line."""

    def __init__(self, file_name: bytes):
        self._file_name = file_name
        self._levels: list[
            tuple[bytes, list[AttributeRule]]
        ] = []  # of the directories on the way down, b"" first

    def parse(self, text: bytes) -> list[AttributeRule]:
        raise NotImplementedError

    def enter(self, directory: bytes, names: frozenset[bytes], place: Beneath) -> None:
        """Go on with `directory`, depth first: rules of directories it does not lie in are forgotten."""
        while self._levels and not _lies_in(directory, self._levels[-1][0]):
            self._levels.pop()
        if self._file_name not in names:
            return
        try:
            text = place.read(_join(directory, self._file_name), MAX_RULE_FILE_BYTES)
        except (OSError, UnstableFile):
            return  # the walk meets the same file and counts it
        if rules := self.parse(text.removeprefix(b"\xef\xbb\xbf")):
            self._levels.append((directory, rules))

    def decide(self, path: bytes, attribute: bytes, *, is_directory: bool = False) -> bool | bytes | None:
        """The value of the attribute for a path in the directory entered last, or in one above it."""
        for directory, rules in reversed(self._levels):
            if not _lies_in(path, directory):
                continue
            relative = path[len(directory) + 1 :] if directory else path
            for rule in reversed(rules):
                if rule.attribute == attribute and glob_matches(
                    rule.glob, relative, is_directory=is_directory
                ):
                    return rule.value
        return None


class IgnoreFiles(_RuleFiles):
    """The .gitignore files."""

    def __init__(self) -> None:
        super().__init__(b".gitignore")

    def parse(self, text: bytes) -> list[AttributeRule]:
        r"""
        >>> [(rule.value, rule.glob.anchored) for rule in IgnoreFiles().parse(b"*.o\n!/keep.o\n# note\n\n")]
        [(True, False), (False, True)]
        """
        rules = []
        for line in text.split(b"\n"):
            pattern = _without_trailing_spaces(line.removesuffix(b"\r"))
            if not pattern or pattern.startswith(b"#"):
                continue
            negated = pattern.startswith(b"!")
            glob = compile_glob(pattern[1:] if negated else pattern)
            rules.append(AttributeRule(glob, b"ignored", not negated))
        return rules

    def directory_reason(self, path: bytes) -> str:
        return IGNORED if self.decide(path, b"ignored", is_directory=True) else ""

    def file_reason(self, path: bytes) -> str:
        return IGNORED if self.decide(path, b"ignored") else ""


class AttributeFiles(_RuleFiles):
    """The .gitattributes files; of the attributes only linguist's."""

    def __init__(self) -> None:
        super().__init__(b".gitattributes")

    def parse(self, text: bytes) -> list[AttributeRule]:
        r"""
        >>> [rule.value for rule in AttributeFiles().parse(b"gen/** linguist-generated\n*.c -linguist-vendored\n")]
        [True, False]
        >>> AttributeFiles().parse(b"*.inc linguist-language=Pascal\n")[0].value
        b'Pascal'
        """
        if b"linguist-" not in text:
            return []
        return [rule for line in text.split(b"\n") for rule in _attribute_rules(line.split())]


def _without_trailing_spaces(pattern: bytes) -> bytes:
    while pattern.endswith(b" ") and not pattern.endswith(b"\\ "):
        pattern = pattern[:-1]
    return pattern


def _attribute_rules(words: list[bytes]) -> list[AttributeRule]:
    rules = []
    if words and words[0].startswith((b"#", b"!", b"[attr]")):
        return []
    for word in words[1:]:
        sign = word[:1] if word[:1] in (b"-", b"!") else b""
        if word.startswith(LANGUAGE + b"="):
            rules.append(AttributeRule(compile_glob(words[0]), LANGUAGE, word[len(LANGUAGE) + 1 :]))
        for attribute in _SWITCHES:
            rest = word[len(sign) + len(attribute) :]
            if word[len(sign) :].startswith(attribute) and rest in _VALUES:
                value = None if sign == b"!" else _VALUES[rest] and not sign
                rules.append(AttributeRule(compile_glob(words[0]), attribute, value))
    return rules


def _lies_in(path: bytes, directory: bytes) -> bool:
    return not directory or path == directory or path.startswith(directory + b"/")


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name
