#!/usr/bin/env kotlin
//DEPS com.example:lib:1.0
@file:JvmName("Tools") // of the whole file

package p

import kotlin.math.*

class Point(
    val x: Int, // between parameters it stays
    val y: Int,
) {
    // noinspection unused
    private val far = x /* between tokens it stays */ + y

    fun length() /* stays */ = sqrt(0.0 + x * x + y * y)

    fun text(): String {
        val url = "http://example.com/${x /* in a template */}"
        val raw = """
            // text
            $url /* text */
        """
        return if (x > 0) // whatever stands in an `if` stays
            raw
        else
            // ktlint-disable no-multi-spaces
            url
    }

    fun sum(rows: List<Int>): Int {
        val total = rows
            // within a chain it stays
            .filter { row ->
                row > 1
            }
            .sum()
        return total /* a line end in a comment
            is none */ - 1
    }

    fun kind(x: Int) = when (x) {
        1 -> "one" // goes
        // falls through
        else -> "more"
    }
}
