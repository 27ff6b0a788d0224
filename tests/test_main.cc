// The entry point of every test program. A test that lacks something it needs says MESSAGE("skipped: why");
// the listener here repeats such a case on a line of its own, which tests/run counts.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>

namespace {

class SkipListener : public doctest::IReporter {
 public:
  explicit SkipListener(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& data) override {
    name_ = data.m_name;
    skipped_ = false;
  }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (skipped_ && stats.numAssertsFailedCurrentTest == 0) std::printf("\nskipped: %s\n", name_);
    std::fflush(stdout);
  }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData& data) override {
    if (std::strncmp(data.m_string.c_str(), "skipped: ", 9) == 0) skipped_ = true;
  }
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  const char* name_ = "";
  bool skipped_ = false;
};

REGISTER_LISTENER("skip", 1, SkipListener);

}  // namespace
