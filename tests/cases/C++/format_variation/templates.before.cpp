#include <string>
#include <vector>

namespace n {

struct Base { int inherited = 0; };

template <typename T, typename U = std::vector<std::vector<T> >>
class C : public Base {
  public:
    C(int first, std::string second) : a(first), b{second, "1"} {}

    auto f() -> decltype(1) { return a; }
  private:
    int a = 1'000;

    std::vector<std::string> b;
};

auto s = R"x(raw
   string)x";
auto l = [](int a, int b) { return a<b; };
int x = 1, y = 2;
int function(int first_argument, int second_argument, int third_argument) { return first_argument; }
bool b = x < y, c = function(x + 1000000000, y + 1000000000, x - y - 1000000);
int d = C<int>(1, "2").f();

}
