//> using scala 3.4
package p // goes

import scala.util._ // goes

/** Documentation goes. */
@deprecated("no", "1") // between an annotation and its class it stays
class Point(val x: Int, // between parameters it stays
    val y: Int) {
  // scalastyle:off magic.number
  private val far = x /* between tokens it stays */ + y
  // $COVERAGE-OFF$

  // A comment
  // of two lines.
  def text: String = { // goes
    /* A block that goes. */
    val url = s"http://example.com/${x /* in a string */}" // goes
    val raw = """
      // text
      /* text */
    """
    url + raw /* a line end in a comment
      is one */ + "x"
  }

  def kind(x: Int) = x match {
    // goes
    case 1 => "one" // goes
    // falls through
    case _ =>
      // stays before an indented body
      "more"
  }
}

object Indented:
  def f(x: Int) =
    // stays before an indented body
    g(x)

    // goes
    h(x) // goes
  end f
