#include <assert.h>

#define CHECK(x) do { \
    if (!(x))   fail(#x); \
  } while (0)

#define STRING(x) #x

#define F(a, b, c, d, e, f, g, h) 1

#if defined(A) || F(1, 2, 3, 4, 5, 6, 7, 8)
static int  a = 5;

#else

int b ;
#endif

void fail(const char *);

int call(int,
         const char *,
         const char *,
         int);

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

        int pair[] = {
                first,
                1234567890,
                1234567890
        };

        assert(a+first   == 3);

        CHECK(first==1);

        CHECK(call(first,second, (third->name), third->x));

        call(first, second,
             third->name, a);

        call(
                first,
                second,
                STRING(a  +  b),
                SPACED
        );

        call(a,
             STRING(first+second(1,2)),
             "another argument",
             (int)fourth);

        call(a,
             STRING(f(first + g( 1 ) )),
             "another argument",
             (int)fourth);

        if (first) {
                /* comment */
                return x[0] - -1;
        }
        else
                goto out;

#   pragma GCC diagnostic push

        for (;;) { break; }

out:
        return first + pair[0];
}
