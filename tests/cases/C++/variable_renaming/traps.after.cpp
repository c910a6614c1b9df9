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

int lambdas(int orchid) {
    auto circle = [orchid](int answer) { return answer + orchid; };
    auto tunnel = [&](int banner) { return banner + orchid; };
    auto yellow = [stay_init = 1] { return stay_init; };
    return circle(1) + tunnel(2) + yellow();
}

int catches(int packet) {
    try {
        throw packet;
    } catch (int basket) {
        return basket;
    }
}

int structured() {
    struct Pair { int first, second; };
    auto [stay_first, stay_second] = Pair{1, 2};
    return stay_first + stay_second;
}

int defaults(int dragon, int bottle = 2) { return dragon + bottle; }

int local_classes(int oyster) {
    struct Local {
        int stay_inside;
        int get() { int stay_copy = stay_inside; return stay_copy; }
    } famous{oyster};
    return famous.get();
}
