// swift-tools-version:5.9
import Foundation

@objc(PPoint) // between an attribute and its class it stays
public final class Point: NSObject {
    // swiftlint:disable:next identifier_name
    let x: Int = max(1 /* between tokens it stays */, 2)
    // MARK: - Life

    var y: Int {
        get { 2 }
    }

    #if DEBUG
    func debug() -> String { "http://example.com/\(x /* in a string */)" }
    #endif

    func text(_ rows: [Int], // between parameters it stays
              of: Int) -> String {
        let raw = """
            // text
            \(of) /* text */
            """
        let hashed = #"// "text" \#(of)"#
        return raw + hashed
    }

    func sum(_ rows: [Int]) -> Int {
        guard !rows.isEmpty else { return 0 }
        switch rows[0] {
        // before a case it stays
        case 1:
            // goes
            fallthrough // the word is code
        default:
            break
        }
        return rows
            // within a chain it stays
            .filter { row in
                // goes
                row > 1
            }
            .reduce(0, +)
    }
}
