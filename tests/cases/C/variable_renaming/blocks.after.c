/* Names that may move are called moves_*, all others stay_*. */
struct stay_node { struct stay_node *stay_next; int stay_value; unsigned stay_bits : 3; };
union stay_union { int stay_int; float stay_float; };
typedef struct { int stay_x, stay_y; } stay_point;
enum { STAY_LIMIT = 4 };
int stay_global;

static int walk(const struct stay_node *finger, int (*dragon)[STAY_LIMIT])
{
    int beacon = 0;
    for (const struct stay_node *pillow = finger; pillow; pillow = pillow->stay_next) {
        int spring = pillow->stay_value, *amount = &spring;
        beacon += *amount + (*dragon)[pillow->stay_bits];
    }
    return beacon;
}

int literals(int anchor)
{
    stay_point cradle = { .stay_x = anchor, .stay_y = (stay_point){ anchor, 2 }.stay_y };
    int pencil[STAY_LIMIT] = { [0] = anchor, [STAY_LIMIT - 1] = cradle.stay_x };
    union stay_union ladder = { .stay_int = pencil[0] };
    return ladder.stay_int + (int)sizeof pencil + walk(0, &pencil);
}

int shadows(int orchid)
{
    int circle = orchid;
    {
        int orchid = circle;
        { extern int stay_global; circle += orchid + stay_global; }
        do { int orchid = 3; circle -= orchid; } while (orchid-- > 0);
    }
    return orchid ? circle : orchid;
}

int switches(int answer)
{
    switch (answer) {
        int tunnel;
    case STAY_LIMIT:
        tunnel = 1;
        return tunnel;
    default:
        break;
    }
    return (answer, answer + 1);
}

int same_as_a_tag(void)
{
    struct stay_node { int stay_own; } stay_node = { 1 };
    return stay_node.stay_own;
}
