# Names that may move are called moves_*, all others stay_*.
import asyncio


def comprehensions(stay_rows):
    finger = sum(dragon for dragon in stay_rows if (border := dragon))
    pillow = {amount: [spring for spring in amount] for amount in stay_rows}
    return finger, pillow, border


def closures(stay_start):
    anchor = stay_start

    def stay_inner(stay_step=anchor):
        return anchor + stay_step

    return stay_inner, lambda stay_x, *, stay_y=anchor: stay_x + stay_y


def counts():
    stay_total = 0

    def stay_add():
        nonlocal stay_total
        stay_total += 1

    stay_add()
    return stay_total


def handlers(stay_path):
    try:
        with open(stay_path) as cradle, open(stay_path) as (stay_a, *stay_b):
            pepper = cradle.read()
    except (OSError, ValueError) as lagoon:
        raise RuntimeError(str(lagoon)) from lagoon
    else:
        for orchid, (circle, answer) in enumerate(stay_b):
            del circle
    finally:
        tunnel = True
    return pepper, stay_a, orchid, answer, tunnel


async def waits(stay_source):
    banner = [yellow async for yellow in stay_source]
    async with stay_source as packet:
        await asyncio.sleep(len(banner))
    return packet


def strings(stay_a):
    basket = 1
    stay_shown = 2
    return f"{basket!r:>{stay_a}} {stay_shown=}"


def annotated():
    bottle: "int" = 1
    return bottle


def classes():
    stay_outside = 1

    class Local:
        stay_member = stay_outside

    return Local


def matches(stay_command):
    match stay_command:
        case {"key": stay_value, **stay_rest}:
            return stay_value, stay_rest
    oyster = 1
    return oyster
