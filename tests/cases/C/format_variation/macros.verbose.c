#include <assert.h>

#define CHECK(x) do { \
    if (!(x))   fail(#x); \
  } while (0)

#if defined(A) && F(1, 2, 3, 4, 5, 6, 7, 8)
static int  a;

#else

int b ;
#endif

struct s {
        int  x, y;

        char *name;   /* trailing */
};

# define SPACED 1

int function(int first,
             const char *second,
             struct s *third,
             unsigned long fourth)
{
        int x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

        assert(a+b   == c);

        CHECK(first==1);

        call(first,second, (third->x), "text,  with spaces");

        call(first, second,
             third->x);

        call(
                first,
                second
        );

        call(a,
             STRINGIFY(first+second, f(1,2)),
             third,
             &fourth,
             "another argument");

        if (first) {
                /* comment */
                return x[0] - -1;
        }
        else
                goto out;

#   pragma omp parallel for

        for (;;) { break; }

out:
        return first;
}
