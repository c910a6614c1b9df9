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

int plain(int finger, const char *dragon, int beacon[3], int (*stay_callback)(int stay_inner))
{
    int pillow = finger, *spring = &pillow;
    static int stay_static;
    char amount[SIZE];
    for (int anchor = 0; anchor < finger; anchor++)
        pillow += dragon[anchor] + beacon[anchor];
    amount[0] = (char)pillow;
    stay_static += *spring;
    return amount[0] + stay_static + stay_callback(1) + STAY_ONE + stay_two;
}

int fields(struct stay_struct *cradle)
{
    struct stay_struct pencil = { .field_a = 1, .stay_other = cradle->field_a };
    return pencil.field_a;
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
    int ladder = stay_extern;
    return ladder;
}

int hides(int orchid)
{
    {
        int stay_static_global = orchid;
        orchid += stay_static_global;
    }
    return orchid + stay_static_global;
}

int branches(int circle)
{
#ifdef SIZE
    int answer = 1;
#else
    long answer = 2;
#endif
    if (circle)
        goto stay_label;
    answer++;
stay_label:
    return answer + (int)sizeof(stay_type);
}

int old_style(stay_k, stay_r) int stay_k; int stay_r; { return stay_k + stay_r; }
