#include "converter/run/quality_plot.h"

#include <doctest/doctest.h>

namespace cllm {
namespace {

TEST_CASE("the frontier: files that no smaller one is as good as") {
  const std::vector<QualityPoint> points = {{"large", 4000, 1.0},
                                            {"worse", 4000, 1.1},
                                            {"small", 1000, 1.2},
                                            {"poor", 1500, 1.3},
                                            {"least", 500, 2.0}};
  CHECK(OnFrontier(points) == std::vector<bool>{true, false, true, false, true});
}

TEST_CASE("the plot has a dot and a name for each file, and fits its frame") {
  const std::string svg = QualityPlot({{"a<b", 1000, 1.5}, {"c", 4000, 1.25}});
  CHECK(svg.find("<svg ") == 0);
  CHECK(svg.find("a&lt;b") != std::string::npos);
  size_t dots = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++dots;
  CHECK(dots == 2);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(QualityPlot({{"alone", 1000, 1.5}}).find("nan") == std::string::npos);
}

}  // namespace
}  // namespace cllm
