"""Batches made ahead are those that would be made on the spot, each once."""

from effectiveness.trainer.micro_batches import Ahead


def made_by(calls):
    def make(*key):
        calls.append(key)
        return [key]

    return make


def test_what_was_foreseen_is_made_once_and_in_order():
    calls = []
    ahead = Ahead(made_by(calls), pin=False)
    assert ahead.take((0, 0, 4)) == [(0, 0, 4)]
    ahead.foresee([(0, 1, 4), (0, 2, 4)])
    assert ahead.take((0, 1, 4)) == [(0, 1, 4)]
    ahead.foresee([(0, 2, 4), (1, 0, 4)])
    assert [ahead.take((0, 2, 4)), ahead.take((1, 0, 4))] == [[(0, 2, 4)], [(1, 0, 4)]]
    ahead.close()
    assert calls == [(0, 0, 4), (0, 1, 4), (0, 2, 4), (1, 0, 4)]


def test_smaller_micro_batches_are_never_served_from_what_was_foreseen_of_larger_ones():
    ahead = Ahead(made_by([]), pin=False)
    ahead.foresee([(0, 1, 4), (0, 2, 4)])
    assert ahead.take((0, 1, 2)) == [(0, 1, 2)]
    ahead.foresee([(0, 2, 2)])
    assert ahead.take((0, 2, 2)) == [(0, 2, 2)]
    ahead.close()
