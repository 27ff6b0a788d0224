#include "converter/watch/html_report.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "support/file_tools.h"

namespace cllm {
namespace {

HtmlReport Example() {
  HtmlReport report;
  report.title = "A <model> & \"co\"";
  report.losses = {{"training", "#1f77b4", {{1, 4.0}, {50, 2.0}, {100, 1.0}}},
                   {"validation", "#d62728", {{100, 1.5}}}};
  report.learning_rate = {{"rate", "#000", {{1, 0.001}, {100, 0.001}}}};
  report.tables = {{"Result", {{"steps", "100"}, {"path", "<script>alert(1)</script>"}}}};
  report.samples = {"Once\n</pre>\x01\xFF upon", "caf\xC3\xA9"};
  return report;
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("text is escaped, and what is no UTF-8 replaced") {
  CHECK(EscapedHtml("a<b>&\"c\"\n") == "a&lt;b&gt;&amp;&quot;c&quot;\n");
  CHECK(EscapedHtml("\xC3\xA9\xFFx\x01") == "\xC3\xA9\xEF\xBF\xBDx ");
}

TEST_CASE("the page is whole, well nested, and needs nothing else") {
  const std::string page = RenderHtmlReport(Example());
  // Every tag that opens is closed in its order.
  const std::set<std::string> empty = {"meta", "line", "polyline", "circle", "!DOCTYPE"};
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const bool closes = page[at + 1] == '/';
    const size_t begin = at + (closes ? 2 : 1);
    const std::string name = page.substr(begin, page.find_first_of(" >", begin) - begin);
    REQUIRE(page.find('>', at) < page.find('<', at + 1));
    if (closes) {
      REQUIRE_FALSE(open.empty());
      REQUIRE(open.back() == name);
      open.pop_back();
    } else if (!empty.contains(name)) {
      open.push_back(name);
    }
  }
  CHECK(open.empty());
  for (const char* outside : {"<script", "http", "src=", "href=", "url(", "@import"}) {
    CAPTURE(outside);
    CHECK(page.find(outside) == std::string::npos);
  }
  CHECK(Count(page, "<svg ") == 2);
  CHECK(Count(page, "<polyline ") == 3);
  CHECK(Count(page, "<circle ") == 1);
  CHECK(Count(page, "<pre>") == 2);
  CHECK(page.find("<tr><td>steps</td><td>100</td></tr>") != std::string::npos);
}

TEST_CASE("a curve lies where its numbers say") {
  const std::string page = RenderHtmlReport(Example());
  const size_t line = page.find("<polyline");
  REQUIRE(line != std::string::npos);
  const size_t points = page.find("points=\"", line) + 8;
  // The first and the last step at both edges, the highest and the lowest loss at top and bottom.
  CHECK(page.substr(points, page.find('"', points) - points) == "64.0,12.0 380.8,180.0 704.0,264.0 ");
}

TEST_CASE("no curves, no charts") {
  HtmlReport report;
  report.title = "none";
  report.losses = {{"training", "#000", {}}};
  CHECK(RenderHtmlReport(report).find("<svg") == std::string::npos);
}

TEST_CASE("a browser shows the page") {
  const char* browser = nullptr;
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0) browser = name;
  }
  if (browser == nullptr) {
    std::puts("skipped: no chromium to show the report in");
    return;
  }
  const testing::TemporaryDirectory folder;
  const std::string page = folder.path() + "/report.html", dom = folder.path() + "/dom";
  testing::WriteBytes(page, RenderHtmlReport(Example()));
  const std::string command = std::string(browser) +
                              " --headless --no-sandbox --disable-gpu --user-data-dir=" + folder.path() +
                              "/profile --dump-dom file://" + page + " >" + dom + " 2>" + dom + ".err";
  REQUIRE(std::system(command.c_str()) == 0);
  const std::string shown = testing::ReadBytes(dom);
  CHECK(Count(shown, "<polyline ") == 3);
  CHECK(Count(shown, "<pre>") == 2);
  CHECK(shown.find("</html>") != std::string::npos);
}

}  // namespace
}  // namespace cllm
