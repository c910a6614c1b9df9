"""The proof card for the terminal: the headline first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from effectiveness.common.console import count
from effectiveness.common.invocation import typed
from effectiveness.proof.card import ANSWERS_COMPARED, CONTROL, POOLED, TRAINED
from effectiveness.trainer.evaluate import largest_file

ARM_WIDTH = 28
MAX_LANGUAGES = 4


def card_lines(card: dict) -> Iterator[str]:
    """Plain lines; a leak is the first of them."""
    if card["leak"]:
        yield card["leak"]
    model = card["models"][0]
    seeds = f", {count(len(card['models']), 'seed')}" if len(card["models"]) > 1 else ""
    yield ""
    yield f"PROOF CARD  {card['dataset']['source_repo']}: {model['model']}, {count(model['steps'], 'step')}{seeds}"
    yield f"trained minus control: {card['headline']['verdict']}"
    yield f"  {what_could_be_seen(card['headline']['difference'])}"
    for control in card["controls"][:1]:
        yield f"  control: {control['made of']}"
    for name, held_out in card["sets"].items():
        yield ""
        yield from _held_out_lines(name, held_out)
    yield from (f"  {part}" for part in mixture_words(card).split("; "))
    for kind, of_kind in card["questions"].items():
        yield ""
        yield from _question_lines(kind, of_kind)
    yield from _robustness_lines(card["robustness"])
    yield from _overlap_lines(card["overlap"])
    yield _canary_line(card["canaries"])


def what_could_be_seen(difference: dict | None) -> str:
    """What the interval rests on - one run of each model says nothing about other runs - and how fine it is."""
    if difference is None or difference["smallest_detectable"] is None:
        return "too few held-out files to see any effect"
    drawn_again = "file and seed" if max(difference["seeds"]) > 1 else "file, one run of each"
    return (
        f"95 % interval by {drawn_again}, over {count(difference['files'], 'file')}; an effect of "
        f"{difference['smallest_detectable']:.4f} bits per byte would have been seen"
    )


def _held_out_lines(name: str, held_out: dict) -> Iterator[str]:
    yield (
        f"{name}: bits per byte of {held_out['windows']:,} of {count(held_out['windows_in_all'], 'window')}, "
        f"{count(held_out['files'], 'file')}, {held_out['bytes']:,} bytes"
    )
    yield from (f"  {line}" for line in largest_words(held_out))
    columns = _columns(held_out)
    yield _row("", [column.removeprefix("role ").removeprefix("language ") for column in columns])
    for arm, values in held_out["bits_per_byte"].items():
        yield _row(arm, [number(values.get(column), 3) for column in columns])
    for part, differences in held_out["differences"].items():
        for what, difference in differences.items():
            if part == "all" or what.endswith(CONTROL):
                yield f"  {what}{'' if part == 'all' else ', ' + part}: {difference['verdict']}"


def largest_words(held_out: dict) -> list[str]:
    """What is to be said of a file that is more than a tenth of a set; nothing where there is none."""
    largest = held_out["largest"]
    return [largest_file((largest["file"], largest["share"]))] if largest else []


def mixture_words(card: dict) -> str:
    """What the arms have read before a token, and how much of the mixtures is the model's."""
    window = card["dataset"]["max_tokens_per_sequence"]
    seen = (
        f"before a token the models see their window of {window:,}, memory and cache n-gram all of its file"
    )
    mixture = card["mixture"]
    if mixture["left_out"]:
        return f"{seen}; both together: left out, {mixture['left_out']}"
    shares = ", ".join(
        f"{' '.join(f'{s:.2f}' for s in of_arm)} in {arm}" for arm, of_arm in mixture["shares"].items()
    )
    tokens, files = (f"{mixture['fitted_on'][key]:,}" for key in ("tokens", "files"))
    return f"{seen}; the model's share is {shares}, fitted on {tokens} tokens of {files} val files"


def _columns(held_out: dict) -> list[str]:
    names = list(next(iter(held_out["bits_per_byte"].values())))
    languages = [n for n in names if n.startswith("language ")]
    shown = languages[:MAX_LANGUAGES] if len(languages) > 1 else []
    first = [n for n in ("all", POOLED, "own identifiers") if n in names]
    return first + [n for n in names if n.startswith("role ")] + shown


def _row(name: str, cells: list[str]) -> str:
    return "  " + name.ljust(ARM_WIDTH) + "".join(cell.rjust(max(9, len(cell) + 2)) for cell in cells)


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


QUESTION_COLUMNS = {
    "exact": "exact %",
    "exact_to_length": "to length %",
    "similarity": "similarity",
    "parses": "parses %",
    "ended": "ends %",
    "bits_per_byte": "bits/byte",
}


def _question_lines(kind: str, of_kind: dict) -> Iterator[str]:
    yield f"{kind}: {count(of_kind['questions'], 'question')} in {count(of_kind['files'], 'file')}"
    yield _row("", list(QUESTION_COLUMNS.values()))
    for arm, shares in of_kind["arms"].items():
        yield _row(
            arm, [answer_cell(key, shares[key]).rjust(len(QUESTION_COLUMNS[key])) for key in QUESTION_COLUMNS]
        )
    for what, against in compared_answers(of_kind):
        exact, bits = mcnemar_words(against["exact"]), against["bits_per_byte"]["verdict"]
        yield f"  {what}: exact, {exact}; bits of what was asked for, {bits}"


def compared_answers(of_kind: dict) -> list[tuple[str, dict]]:
    """The pairs of arms whose answers are compared, in words."""
    named = [f"{ours} against {rival}" for ours, rival in ANSWERS_COMPARED]
    return [(name, of_kind[name]) for name in named if name in of_kind]


def answer_cell(key: str, value: float | None) -> str:
    return number(value, 3) if key in ("similarity", "bits_per_byte") else percent(value)


def mcnemar_words(test: dict) -> str:
    odds = "" if test["odds_ratio"] is None else f", odds ratio {test['odds_ratio']:.2f}"
    return f"{test['only_a']} right only here, {test['only_b']} only there{odds}, p = {test['p_value']:.3g}"


def _robustness_lines(robustness: dict) -> Iterator[str]:
    for kind, of_kind in robustness.items():
        arms = ", ".join(
            f"{arm} {of_kind[arm]['variants']:.3f} / {of_kind[arm]['originals']:.3f}"
            for arm in (TRAINED, CONTROL)
            if arm in of_kind
        )
        yield f"robustness, {kind}: variant / original {arms} bits per byte ({of_kind['pairs']} pairs of windows)"


def _overlap_lines(overlap: dict) -> Iterator[str]:
    for split, counted in overlap["counted"].items():
        recorded = overlap["recorded"][split]
        built = "" if recorded is None else f"; {100 * recorded:.2f} % with variants, at the build"
        yield (
            f"verbatim overlap, {split}: {100 * counted['share']:.2f} % of {counted['num_spans']:,} distinct "
            f"{counted['span_tokens']}-token spans stand in train{built}"
        )


def _canary_line(canaries: dict | None) -> str:
    if canaries is None:
        return f"canaries: not tried; {typed('canaries')} plants secrets and tries to get them out"
    redacted, kept = canaries["redacted"], canaries["kept"]
    return (
        f"canaries: {redacted['extracted']} of {redacted['asked']} planted secrets came back with redaction, "
        f"{kept['extracted']} of {kept['asked']} without"
    )
