/* Names that may move are called moves_*, all others stay_*. */
struct stay_node { struct stay_node *stay_next; int stay_value; unsigned stay_bits : 3; };
union stay_union { int stay_int; float stay_float; };
typedef struct { int stay_x, stay_y; } stay_point;
enum { STAY_LIMIT = 4 };
int stay_global;

static int walk(const struct stay_node *moves_head, int (*moves_visit)[STAY_LIMIT])
{
    int moves_sum = 0;
    for (const struct stay_node *moves_node = moves_head; moves_node; moves_node = moves_node->stay_next) {
        int moves_sum_inner = moves_node->stay_value, *moves_where = &moves_sum_inner;
        moves_sum += *moves_where + (*moves_visit)[moves_node->stay_bits];
    }
    return moves_sum;
}

int literals(int moves_a)
{
    stay_point moves_point = { .stay_x = moves_a, .stay_y = (stay_point){ moves_a, 2 }.stay_y };
    int moves_table[STAY_LIMIT] = { [0] = moves_a, [STAY_LIMIT - 1] = moves_point.stay_x };
    union stay_union moves_both = { .stay_int = moves_table[0] };
    return moves_both.stay_int + (int)sizeof moves_table + walk(0, &moves_table);
}

int shadows(int moves_x)
{
    int moves_y = moves_x;
    {
        int moves_x = moves_y;
        { extern int stay_global; moves_y += moves_x + stay_global; }
        do { int moves_x = 3; moves_y -= moves_x; } while (moves_x-- > 0);
    }
    return moves_x ? moves_y : moves_x;
}

int switches(int moves_kind)
{
    switch (moves_kind) {
        int moves_never;
    case STAY_LIMIT:
        moves_never = 1;
        return moves_never;
    default:
        break;
    }
    return (moves_kind, moves_kind + 1);
}

int same_as_a_tag(void)
{
    struct stay_node { int stay_own; } stay_node = { 1 };
    return stay_node.stay_own;
}
