#include "kernels/targets.h"

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

TEST_CASE("The best target is the default, and names choose whatever their case") {
  const std::string best = ChosenTarget();
  CHECK(best == TargetName(SupportedTargets() & -SupportedTargets()));
  testing::OnEveryTarget([](const std::string& name) { MESSAGE("runs on ", name); });
  std::string lower = best;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  CHECK(UseTarget(lower.c_str()));
  CHECK(ChosenTarget() == best);
  CHECK_FALSE(UseTarget("no such target"));
  CHECK_FALSE(UseTarget(""));
  CHECK(UseTarget(nullptr));
  CHECK(ChosenTarget() == best);
}

}  // namespace
}  // namespace cllm
