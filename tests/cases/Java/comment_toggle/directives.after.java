/*
 * Licensed under the Apache License.
 */
// stays: above the code of a licensed file
package p;

import java.util.List;

class Directives {
    /** @deprecated javac reads this */
    void old() {}

    // \u0041 is an A
    int a = 1; //$NON-NLS-1$
    // CHECKSTYLE:OFF
    String url = "http://example.com";
    String text = """
        // not a comment
        """;
    int f(int x) { return x + 1; } // NOSONAR
    int b;
}
