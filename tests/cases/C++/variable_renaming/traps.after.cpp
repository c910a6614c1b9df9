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
    int moves_total = 0;
    for (int cradle : anchor) moves_total += cradle;
    if (int pencil = moves_total) return pencil;
    return moves_total;
}

int lambdas(int ladder) {
    auto orchid = [ladder](int circle) { return circle + ladder; };
    auto answer = [&](int tunnel) { return tunnel + ladder; };
    auto banner = [stay_init = 1] { return stay_init; };
    return orchid(1) + answer(2) + banner();
}

int catches(int yellow) {
    try {
        throw yellow;
    } catch (int packet) {
        return packet;
    }
}

int structured() {
    struct Pair { int first, second; };
    auto [stay_first, stay_second] = Pair{1, 2};
    return stay_first + stay_second;
}

int defaults(int dragon, int basket = 2) { return dragon + basket; }

int local_classes(int bottle) {
    struct Local {
        int stay_inside;
        int get() { int stay_copy = stay_inside; return stay_copy; }
    } oyster{bottle};
    return oyster.get();
}
