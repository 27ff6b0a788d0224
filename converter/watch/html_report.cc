#include "converter/watch/html_report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/tokenizer/utf8.h"

namespace cllm {
namespace {

constexpr double kWidth = 720, kHeight = 300, kLeft = 64, kRight = 16, kTop = 12, kBottom = 36;

constexpr char kStyle[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "overflow-wrap:anywhere}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}svg{width:100%;height:auto}"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid #ddd;padding:.2rem .6rem;"
    "vertical-align:top}td:first-child{width:30%;color:#666}"
    "pre{white-space:pre-wrap;background:#f6f6f6;padding:1rem;border-radius:4px}"
    "text{font:12px sans-serif;fill:#555}";

// The least and most of all points; a curve of one value gets some room above and below.
struct Bounds {
  double left = 0, right = 1, low = 0, high = 1;
};

Bounds BoundsOf(const std::vector<Curve>& curves) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  Bounds b = {kFar, -kFar, kFar, -kFar};
  for (const Curve& curve : curves) {
    for (const auto& [x, y] : curve.points) {
      b = {std::min(b.left, x), std::max(b.right, x), std::min(b.low, y), std::max(b.high, y)};
    }
  }
  if (b.right <= b.left) b.right = b.left + 1;
  if (b.high <= b.low) b.high = b.low + std::max(std::abs(b.low) * 0.1, 1e-6);
  return b;
}

// 1, 2 or 5 times a power of ten: about five of them in the range.
double TickDistance(double range) {
  const double power = std::pow(10.0, std::floor(std::log10(range / 5)));
  const double ratio = range / 5 / power;
  return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

class Chart {
 public:
  explicit Chart(const std::vector<Curve>& curves) : curves_(curves), bounds_(BoundsOf(curves)) {}

  std::string Svg(const std::string& label) {
    absl::StrAppendFormat(&svg_, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n", kWidth,
                          kHeight, EscapedHtml(label));
    Grid();
    int row = 0;
    for (const Curve& curve : curves_) {
      if (!curve.points.empty()) Line(curve, row++);
    }
    return svg_ + "</svg>\n";
  }

 private:
  double X(double x) const {
    return kLeft + (x - bounds_.left) / (bounds_.right - bounds_.left) * (kWidth - kLeft - kRight);
  }
  double Y(double y) const {
    return kTop + (bounds_.high - y) / (bounds_.high - bounds_.low) * (kHeight - kTop - kBottom);
  }

  void Grid() {
    const double dy = TickDistance(bounds_.high - bounds_.low),
                 dx = TickDistance(bounds_.right - bounds_.left);
    for (double i = std::ceil(bounds_.low / dy); i * dy <= bounds_.high; ++i) {
      absl::StrAppendFormat(&svg_, "<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>",
                            kLeft, kWidth - kRight, Y(i * dy), Y(i * dy));
      absl::StrAppendFormat(&svg_, "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", kLeft - 6,
                            Y(i * dy) + 4, i * dy);
    }
    for (double i = std::ceil(bounds_.left / dx); i * dx <= bounds_.right; ++i) {
      absl::StrAppendFormat(&svg_, "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%.6g</text>\n",
                            X(i * dx), kHeight - 16, i * dx);
    }
    absl::StrAppendFormat(&svg_, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">step</text>\n", kWidth - kRight,
                          kHeight - 5);
  }

  void Line(const Curve& curve, int row) {
    absl::StrAppendFormat(&svg_, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"",
                          curve.color);
    for (const auto& [x, y] : curve.points) absl::StrAppendFormat(&svg_, "%.1f,%.1f ", X(x), Y(y));
    svg_ += "\"/>\n";
    if (curve.points.size() == 1) {
      absl::StrAppendFormat(&svg_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                            X(curve.points[0].first), Y(curve.points[0].second), curve.color);
    }
    absl::StrAppendFormat(&svg_, "<text x=\"%g\" y=\"%d\" text-anchor=\"end\" style=\"fill:%s\">%s</text>\n",
                          kWidth - kRight, 24 + 16 * row, curve.color, EscapedHtml(curve.name));
  }

  const std::vector<Curve>& curves_;
  Bounds bounds_;
  std::string svg_;
};

bool HasPoints(const std::vector<Curve>& curves) {
  return std::any_of(curves.begin(), curves.end(), [](const Curve& c) { return !c.points.empty(); });
}

void AppendChart(const std::string& heading, const std::vector<Curve>& curves, std::string* page) {
  if (!HasPoints(curves)) return;
  absl::StrAppend(page, "<h2>", EscapedHtml(heading), "</h2>\n", Chart(curves).Svg(heading));
}

}  // namespace

std::string EscapedHtml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t valid = std::min(InvalidUtf8At(text), text.size());
    for (const char c : text.substr(0, valid)) {
      switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        default:
          // HTML has no other control characters.
          out += static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' ? ' ' : c;
      }
    }
    text.remove_prefix(valid);
    if (text.empty()) break;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(1);
  }
  return out;
}

std::string RenderHtmlReport(const HtmlReport& report) {
  const std::string title = EscapedHtml(report.title);
  std::string page = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
      title, "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<h1>", title, "</h1>\n");
  AppendChart("Loss, nats a token", report.losses, &page);
  AppendChart("Learning rate", report.learning_rate, &page);
  for (const auto& [heading, rows] : report.tables) {
    absl::StrAppend(&page, "<h2>", EscapedHtml(heading), "</h2>\n<table>\n");
    for (const auto& [name, value] : rows) {
      absl::StrAppend(&page, "<tr><td>", EscapedHtml(name), "</td><td>", EscapedHtml(value), "</td></tr>\n");
    }
    page += "</table>\n";
  }
  if (!report.samples.empty()) page += "<h2>Texts by the model</h2>\n";
  for (const std::string& sample : report.samples) {
    absl::StrAppend(&page, "<pre>", EscapedHtml(sample), "</pre>\n");
  }
  return page + "</body>\n</html>\n";
}

}  // namespace cllm
