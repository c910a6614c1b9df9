#include <vector>

namespace n {

template <typename T, typename U = std::vector<std::vector<T> >>
class C : public Base {
  public:
    C(int first, std::string second) : a(first), b{second, 1} {}

    auto f() -> decltype(a);
  private:
    int a = 1'000;
};

auto s = R"x(raw
   string)x";
auto l = [&](int a, int b) { return a<b; };
bool b = x < y, c = f(first_argument_is_long, second_argument, third_argument);

}
