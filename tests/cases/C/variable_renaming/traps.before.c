/* Names that may move are called moves_*, all others stay_*. */
#define SIZE 12
#define STAY_BODY (stay_seen + 1)
#define stay_print(x) puts(#x)
#define stay_glue(x) stay_ ## x
int puts(const char *stay_prototype);
struct stay_struct { int field_a; int stay_other; };
enum stay_enum { STAY_ONE, stay_two };
extern int stay_extern;
typedef int stay_type;
static int stay_static_global;

int plain(int moves_a, const char *moves_text, int moves_array[3], int (*stay_callback)(int stay_inner))
{
    int moves_total = moves_a, *moves_pointer = &moves_total;
    static int stay_static;
    char moves_buffer[SIZE];
    for (int moves_i = 0; moves_i < moves_a; moves_i++)
        moves_total += moves_text[moves_i] + moves_array[moves_i];
    moves_buffer[0] = (char)moves_total;
    stay_static += *moves_pointer;
    return moves_buffer[0] + stay_static + stay_callback(1) + STAY_ONE + stay_two;
}

int fields(struct stay_struct *moves_struct)
{
    struct stay_struct moves_copy = { .field_a = 1, .stay_other = moves_struct->field_a };
    return moves_copy.field_a;
}

int sees_a_macro(int stay_seen)
{
    int stay_local = STAY_BODY;
    return stay_local;
}

int printed(int stay_printed)
{
    stay_print(stay_printed);
    return 0;
}

int unknown(int stay_argument, int stay_beside)
{
    int stay_maybe_a_macro();
    stay_beside++;
    return stay_beside + not_declared_here(stay_argument);
}

int shouted(int stay_near)
{
    return stay_near + NOT_DEFINED_HERE(1);
}

int assembled(int stay_operand)
{
    __asm__("" : "+r"(stay_operand));
    return stay_operand;
}

int declared_elsewhere(void)
{
    extern int stay_extern;
    int moves_own = stay_extern;
    return moves_own;
}

int hides(int moves_x)
{
    {
        int stay_static_global = moves_x;
        moves_x += stay_static_global;
    }
    return moves_x + stay_static_global;
}

int branches(int moves_flag)
{
#ifdef SIZE
    int moves_either = 1;
#else
    long moves_either = 2;
#endif
    if (moves_flag)
        goto stay_label;
    moves_either++;
stay_label:
    return moves_either + (int)sizeof(stay_type);
}

int old_style(stay_k, stay_r) int stay_k; int stay_r; { return stay_k + stay_r; }
