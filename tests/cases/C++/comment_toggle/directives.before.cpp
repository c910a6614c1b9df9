// A note.
#include <vector> // stays: on a directive
namespace n { // opens
// NOLINTNEXTLINE(whatever)
template <typename T /* type */> class C { /* body */ };
auto s = R"x(// not a comment /* nor this */ )x"; // trailing
int d = 1'000'000; // digit separators
} // namespace n
