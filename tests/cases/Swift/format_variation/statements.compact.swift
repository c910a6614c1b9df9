import Foundation
import os
struct Grid<Cell: Hashable>: Equatable {
  let width: Int, height: Int
  var cells: [Cell] = []
    #if DEBUG
    let debug = true
    #endif
  @discardableResult
  func area(_ a: Int, scaled: Bool) -> Int {
    guard a > 0 else {
      return -1
    }
    let text = """
          left = right

            indented, by two
          """
    let sum = a+width &+ height
    print(["first", "second", "third", "fourth"], terminator: "a, b")
    return area(sum, scaled: !scaled)
  }
}
