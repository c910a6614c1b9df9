package p

import a.b
import a.c

@Suppress("unused")
class Grid<T : Any>(private val width: Int, val height: Int, private val name: String = "a, b = c") {
    private val cells = mutableMapOf<Pair<Int, Int>, List<T>>()

    fun area(a: Int): Int {
        val sum = a + width * height - -1
        if (sum > 0 && a != 1) {
            println(listOf("first", "second", "third", "fourth"))
        }

        val text = """
            left = right

              indented, by two
        """.trimIndent()
        val next = cells
            .filter { (key, _) -> key.first == a }
            .map {
                it.value
            }

        return foo(
            a,
            sum
        )
    }

    // The operators of Kotlin that are more than two characters stay.
    fun same(a: Any?, b: Any?) = a === b || a !in setOf(b) || a is String?
}
