#include <vector> // stays: on a directive
namespace n {
// NOLINTNEXTLINE(whatever)
template <typename T > class C { };
auto s = R"x(// not a comment /* nor this */ )x";
int d = 1'000'000;
}
