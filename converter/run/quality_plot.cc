#include "converter/run/quality_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace cllm {
namespace {

constexpr double kWidth = 800, kHeight = 500, kMargin = 70;

// From numbers to a range of pixels.
struct Axis {
  double least, most, begin, end;
  double At(double value) const { return begin + (value - least) / (most - least) * (end - begin); }
};

Axis AxisOf(double least, double most, double begin, double end) {
  const double room = std::max((most - least) * 0.1, 1e-6 + std::abs(most) * 1e-3);
  return {least - room, most + room, begin, end};
}

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

std::string Label(double x, double y, const char* anchor, const std::string& text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                         Escaped(text));
}

std::string Axes(const Axis& x, const Axis& y) {
  std::string svg = absl::StrFormat("<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"black\"/>\n",
                                    kMargin, kMargin / 2, kHeight - kMargin, kWidth - kMargin / 2);
  for (int i = 0; i <= 4; ++i) {
    const double bytes = x.least + (x.most - x.least) * i / 4, bits = y.least + (y.most - y.least) * i / 4;
    absl::StrAppend(&svg, Label(x.At(bytes), kHeight - kMargin + 20, "middle",
                                absl::StrFormat("%.3g MB", std::exp2(bytes) / 1e6)));
    absl::StrAppend(&svg, Label(kMargin - 8, y.At(bits) + 4, "end", absl::StrFormat("%.4g", bits)));
  }
  absl::StrAppend(&svg, Label(kWidth / 2, kHeight - 15, "middle", "file"));
  return absl::StrCat(svg, Label(kMargin, kMargin / 2 - 10, "middle", "bits a byte"));
}

}  // namespace

std::vector<bool> OnFrontier(const std::vector<QualityPoint>& points) {
  std::vector<bool> on;
  for (const QualityPoint& point : points) {
    on.push_back(std::none_of(points.begin(), points.end(), [&](const QualityPoint& other) {
      return other.file_bytes <= point.file_bytes && other.bits_per_byte < point.bits_per_byte;
    }));
  }
  return on;
}

std::string QualityPlot(const std::vector<QualityPoint>& points) {
  std::vector<double> bytes, bits;
  for (const QualityPoint& point : points) {
    bytes.push_back(std::log2(static_cast<double>(point.file_bytes)));
    bits.push_back(point.bits_per_byte);
  }
  const auto [least_bytes, most_bytes] = std::minmax_element(bytes.begin(), bytes.end());
  const auto [least_bits, most_bits] = std::minmax_element(bits.begin(), bits.end());
  const Axis x = AxisOf(*least_bytes, *most_bytes, kMargin, kWidth - kMargin / 2);
  const Axis y = AxisOf(*least_bits, *most_bits, kHeight - kMargin, kMargin / 2);
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  absl::StrAppend(&svg, Axes(x, y));
  const std::vector<bool> on = OnFrontier(points);
  std::vector<std::pair<double, double>> line;
  for (size_t i = 0; i < points.size(); ++i) {
    const double px = x.At(bytes[i]), py = y.At(bits[i]);
    absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", px, py,
                          on[i] ? "#0060c0" : "#909090");
    absl::StrAppend(&svg, Label(px + 6, py - 6, "start", points[i].name));
    if (on[i]) line.emplace_back(px, py);
  }
  std::sort(line.begin(), line.end());
  absl::StrAppend(&svg, "<polyline fill=\"none\" stroke=\"#0060c0\" points=\"");
  for (const auto& [px, py] : line) absl::StrAppendFormat(&svg, "%.1f,%.1f ", px, py);
  return absl::StrCat(svg, "\"/>\n</svg>\n");
}

}  // namespace cllm
