// Room: converter/watch. A finished run as one HTML page that needs nothing else: no script, no other file.
#ifndef CLLM_CONVERTER_WATCH_HTML_REPORT_H_
#define CLLM_CONVERTER_WATCH_HTML_REPORT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cllm {

struct Curve {
  std::string name;
  std::string color;                              // of CSS
  std::vector<std::pair<double, double>> points;  // step and value, in the order of steps; finite
};

struct HtmlReport {
  std::string title;
  std::vector<Curve> losses;         // nats a token
  std::vector<Curve> learning_rate;  // a chart of its own
  using Rows = std::vector<std::pair<std::string, std::string>>;
  std::vector<std::pair<std::string, Rows>> tables;  // a heading and its rows
  std::vector<std::string> samples;                  // texts by the model
};

// `text` as it stands in HTML. Bytes that are no UTF-8 become U+FFFD.
std::string EscapedHtml(std::string_view text);

// The whole page, UTF-8. Charts are inline SVG; a curve without points is left out.
std::string RenderHtmlReport(const HtmlReport& report);

}  // namespace cllm

#endif  // CLLM_CONVERTER_WATCH_HTML_REPORT_H_
