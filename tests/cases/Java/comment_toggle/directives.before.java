/*
 * Licensed under the Apache License.
 */
// stays: above the code of a licensed file
package p; // trailing

// A note.
import java.util.List;

/**
 * Text only: goes.
 */
class Directives {
    /** @deprecated javac reads this */
    void old() {}

    // \u0041 is an A
    int a = 1; //$NON-NLS-1$
    // CHECKSTYLE:OFF
    String url = "http://example.com"; // not the URL
    String text = """
        // not a comment
        """; // text block
    int f(int x /* argument */) { return x/**/+/* tight */1; } // NOSONAR
    /* two
       lines */ int b;
}
