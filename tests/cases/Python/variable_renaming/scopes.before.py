# Names that may move are called moves_*, all others stay_*.
import asyncio


def comprehensions(stay_rows):
    moves_total = sum(moves_row for moves_row in stay_rows if (moves_last := moves_row))
    moves_pairs = {moves_key: [moves_value for moves_value in moves_key] for moves_key in stay_rows}
    return moves_total, moves_pairs, moves_last


def closures(stay_start):
    moves_count = stay_start

    def stay_inner(stay_step=moves_count):
        return moves_count + stay_step

    return stay_inner, lambda stay_x, *, stay_y=moves_count: stay_x + stay_y


def counts():
    stay_total = 0

    def stay_add():
        nonlocal stay_total
        stay_total += 1

    stay_add()
    return stay_total


def handlers(stay_path):
    try:
        with open(stay_path) as moves_file, open(stay_path) as (stay_a, *stay_b):
            moves_text = moves_file.read()
    except (OSError, ValueError) as moves_error:
        raise RuntimeError(str(moves_error)) from moves_error
    else:
        for moves_i, (moves_x, moves_y) in enumerate(stay_b):
            del moves_x
    finally:
        moves_done = True
    return moves_text, stay_a, moves_i, moves_y, moves_done


async def waits(stay_source):
    moves_seen = [moves_item async for moves_item in stay_source]
    async with stay_source as moves_held:
        await asyncio.sleep(len(moves_seen))
    return moves_held


def strings(stay_a):
    moves_plain = 1
    stay_shown = 2
    return f"{moves_plain!r:>{stay_a}} {stay_shown=}"


def annotated():
    moves_typed: "int" = 1
    return moves_typed


def classes():
    stay_outside = 1

    class Local:
        stay_member = stay_outside

    return Local


def matches(stay_command):
    match stay_command:
        case {"key": stay_value, **stay_rest}:
            return stay_value, stay_rest
    moves_other = 1
    return moves_other
