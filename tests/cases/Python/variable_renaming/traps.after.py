"""Names that may move are called moves_*, all others stay_*."""
import os as stay_module


stay_global = 1


def plain(stay_parameter, stay_default=None, *stay_args, **stay_kwargs):
    finger = stay_parameter + stay_global
    for dragon in stay_args:
        finger += dragon
    with open(stay_module.devnull) as border:
        pillow = border.read()
    try:
        spring, (amount, *anchor) = pillow
    except ValueError as cradle:
        raise RuntimeError(str(cradle)) from cradle
    if (pepper := len(anchor)) > 1:
        del amount
    return finger, spring, pepper, stay_default, stay_kwargs


def closures_share_a_variable():
    lagoon = 0
    stay_cell = lagoon

    def stay_function():
        nonlocal stay_cell
        stay_cell += 1
        return lagoon + stay_cell

    return lambda: lagoon, stay_function


def comprehensions(stay_rows):
    return [circle for orchid in stay_rows for circle in orchid if circle]


def a_read_outside_the_comprehension(stay_rows):
    answer = [stay_global for stay_global in stay_rows]
    return answer, stay_global


def keywords_and_attributes_are_no_variables(stay_object):
    tunnel = dict(keyword=1)
    stay_object.attribute = tunnel
    return stay_object.attribute


def strings_may_name_variables():
    stay_named = 1
    return "stay_named %d" % stay_named, "{stay_named}".format(stay_named=stay_named)


def formatted():
    banner = 1
    stay_shown = 2
    return f"{banner} {banner!r:>10} {stay_shown=}"


def global_here():
    global stay_global
    stay_global = 2


def class_bodies_have_their_own_scope():
    stay_field = 1

    class Local:
        stay_field = stay_field

    return Local


def looks_into_itself():
    stay_hidden = 1
    return locals(), stay_hidden


def evaluates():
    stay_seen = 1
    return eval("stay" + "_seen")


def imports_locally():
    import json
    stay_alias = json
    import sys as stay_alias
    return stay_alias


def annotated(stay_value: int) -> int:
    yellow: int = stay_value
    banner: "int" = 0
    return yellow + banner


def patterns(stay_subject):
    match stay_subject:
        case [stay_first, *stay_rest]:
            return stay_first, stay_rest
        case {"key": stay_value} as stay_whole:
            return stay_value, stay_whole


async def coroutine(stay_stream):
    async for packet in stay_stream:
        async with packet as basket:
            await basket
    return [bottle async for bottle in stay_stream]


def lambda_parameters_stay(stay_values):
    return sorted(stay_values, key=lambda stay_key, stay_more=1: stay_key)


def outer(stay_a):
    oyster = 1

    def inner(stay_b):
        oyster = 2
        return oyster + stay_b

    return inner(oyster) + stay_a
