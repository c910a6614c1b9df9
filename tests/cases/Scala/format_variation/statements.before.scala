package p

import a.b
import a.{c, d => e}

class Grid[T](width: Int, height: Int) extends Base with Other {
  private val cells = Map.empty[Int, T]

  def area(a: Int): Int = {
    val sum = a + width
    val block = {

      sum
    }
    (1 to 2) foreach println

    foo(a)

    { println("a block, no argument") }
    a postfix

    sum
    def local = block
    val text = """
      left = right

        indented
    """
    local
  }
  var last = 1
  trait Inner
  object Inner {
    type A = Int
  }
}

object Indented:
  def f(x: Int) =
    val y = x

    if y > 1 then
      y
    else
      x
  def g = 1
