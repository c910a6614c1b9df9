/*
 * Copyright (c) 2024 Somebody.
 */
/* A note. */
#include <stdio.h> /* on a directive: stays */
#define ADD(a, b) \
	((a) /* inside a macro */ + \
	 (b)) // its end
#if defined(X) /* condition */
// plain
int x; /* trailing */
#endif /* X */
/* before */ #define Y 1

/** Documentation goes. */
int f(int a /* argument */, int b) {
	// continued \
	   by a backslash
	switch (a) {
	case 1:
		b = 2;
		/* fall through */
	case 2: // NOLINT
		return a/**/-/* tight */-b;
	}
	/* clang-format off */
	char *url = "http://example.com"; // not the URL
	char c = '"'; // quote
	return a /* two
	lines */ + b;
}
