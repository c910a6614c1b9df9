"""Names that may move are called moves_*, all others stay_*."""
import os as stay_module


stay_global = 1


def plain(stay_parameter, stay_default=None, *stay_args, **stay_kwargs):
    moves_total = stay_parameter + stay_global
    for moves_item in stay_args:
        moves_total += moves_item
    with open(stay_module.devnull) as moves_file:
        moves_text = moves_file.read()
    try:
        moves_first, (moves_second, *moves_rest) = moves_text
    except ValueError as moves_error:
        raise RuntimeError(str(moves_error)) from moves_error
    if (moves_length := len(moves_rest)) > 1:
        del moves_second
    return moves_total, moves_first, moves_length, stay_default, stay_kwargs


def closures_share_a_variable():
    moves_counter = 0
    stay_cell = moves_counter

    def stay_function():
        nonlocal stay_cell
        stay_cell += 1
        return moves_counter + stay_cell

    return lambda: moves_counter, stay_function


def comprehensions(stay_rows):
    return [moves_cell for moves_row in stay_rows for moves_cell in moves_row if moves_cell]


def a_read_outside_the_comprehension(stay_rows):
    moves_list = [stay_global for stay_global in stay_rows]
    return moves_list, stay_global


def keywords_and_attributes_are_no_variables(stay_object):
    moves_value = dict(keyword=1)
    stay_object.attribute = moves_value
    return stay_object.attribute


def strings_may_name_variables():
    stay_named = 1
    return "stay_named %d" % stay_named, "{stay_named}".format(stay_named=stay_named)


def formatted():
    moves_plain = 1
    stay_shown = 2
    return f"{moves_plain} {moves_plain!r:>10} {stay_shown=}"


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
    moves_number: int = stay_value
    moves_plain: "int" = 0
    return moves_number + moves_plain


def patterns(stay_subject):
    match stay_subject:
        case [stay_first, *stay_rest]:
            return stay_first, stay_rest
        case {"key": stay_value} as stay_whole:
            return stay_value, stay_whole


async def coroutine(stay_stream):
    async for moves_chunk in stay_stream:
        async with moves_chunk as moves_entered:
            await moves_entered
    return [moves_part async for moves_part in stay_stream]


def lambda_parameters_stay(stay_values):
    return sorted(stay_values, key=lambda stay_key, stay_more=1: stay_key)


def outer(stay_a):
    moves_shadow = 1

    def inner(stay_b):
        moves_shadow = 2
        return moves_shadow + stay_b

    return inner(moves_shadow) + stay_a
