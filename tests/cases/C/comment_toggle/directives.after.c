/*
 * Copyright (c) 2024 Somebody.
 */
/* A note. */
#include <stdio.h> /* on a directive: stays */
#define ADD(a, b) \
	((a) /* inside a macro */ + \
	 (b)) // its end
#if defined(X) /* condition */
int x;
#endif /* X */
/* before */ #define Y 1

int f(int a , int b) {
	switch (a) {
	case 1:
		b = 2;
		/* fall through */
	case 2: // NOLINT
		return a - -b;
	}
	/* clang-format off */
	char *url = "http://example.com";
	char c = '"';
	return a
+ b;
}
