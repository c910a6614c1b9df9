// Names that may move are called moves_*, all others stay_*.
struct Stay {
    int stay_member;
    Stay(int finger) : stay_member(finger) {}
    int method(int dragon) const {
        int beacon = dragon + stay_member + this->stay_member;
        return beacon;
    }
};

template <typename StayT>
StayT largest(const StayT &pillow, StayT spring) {
    StayT amount = pillow < spring ? spring : pillow;
    return amount;
}

int loops(const int (&anchor)[3]) {
    int cradle = 0;
    for (int pencil : anchor) cradle += pencil;
    if (int ladder = cradle) return ladder;
    return cradle;
}

int lambdas(int moves_captured) {
    auto moves_add = [moves_captured](int moves_x) { return moves_x + moves_captured; };
    auto moves_by_reference = [&](int moves_y) { return moves_y + moves_captured; };
    auto moves_initialised = [stay_init = 1] { return stay_init; };
    return moves_add(1) + moves_by_reference(2) + moves_initialised();
}

int catches(int orchid) {
    try {
        throw orchid;
    } catch (int circle) {
        return circle;
    }
}

int structured() {
    struct Pair { int first, second; };
    auto [stay_first, stay_second] = Pair{1, 2};
    return stay_first + stay_second;
}

int defaults(int dragon, int answer = 2) { return dragon + answer; }

int local_classes(int tunnel) {
    struct Local {
        int stay_inside;
        int get() { int stay_copy = stay_inside; return stay_copy; }
    } banner{tunnel};
    return banner.get();
}
