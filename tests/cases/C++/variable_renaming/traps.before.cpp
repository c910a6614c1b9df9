// Names that may move are called moves_*, all others stay_*.
struct Stay {
    int stay_member;
    Stay(int moves_argument) : stay_member(moves_argument) {}
    int method(int moves_a) const {
        int moves_sum = moves_a + stay_member + this->stay_member;
        return moves_sum;
    }
};

template <typename StayT>
StayT largest(const StayT &moves_left, StayT moves_right) {
    StayT moves_result = moves_left < moves_right ? moves_right : moves_left;
    return moves_result;
}

int loops(const int (&moves_values)[3]) {
    int moves_total = 0;
    for (int moves_value : moves_values) moves_total += moves_value;
    if (int moves_copy = moves_total) return moves_copy;
    return moves_total;
}

int lambdas(int moves_captured) {
    auto moves_add = [moves_captured](int moves_x) { return moves_x + moves_captured; };
    auto moves_by_reference = [&](int moves_y) { return moves_y + moves_captured; };
    auto moves_initialised = [stay_init = 1] { return stay_init; };
    return moves_add(1) + moves_by_reference(2) + moves_initialised();
}

int catches(int moves_n) {
    try {
        throw moves_n;
    } catch (int moves_caught) {
        return moves_caught;
    }
}

int structured() {
    struct Pair { int first, second; };
    auto [stay_first, stay_second] = Pair{1, 2};
    return stay_first + stay_second;
}

int defaults(int moves_a, int moves_b = 2) { return moves_a + moves_b; }

int local_classes(int moves_outside) {
    struct Local {
        int stay_inside;
        int get() { int stay_copy = stay_inside; return stay_copy; }
    } moves_local{moves_outside};
    return moves_local.get();
}
