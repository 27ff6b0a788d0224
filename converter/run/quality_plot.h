// Room: converter/run. Quality by bytes as a picture: bits a byte of text against bytes of file. Text only.
#ifndef CLLM_CONVERTER_RUN_QUALITY_PLOT_H_
#define CLLM_CONVERTER_RUN_QUALITY_PLOT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace cllm {

struct QualityPoint {
  std::string name;
  uint64_t file_bytes = 0;
  double bits_per_byte = 0;
};

// An SVG document: file bytes on a logarithmic axis, bits a byte on a linear one, a labelled dot for each
// point, and a line through those that no smaller file is as good as. points: not empty, file_bytes > 0.
std::string QualityPlot(const std::vector<QualityPoint>& points);

// Whether no other point has fewer bytes, or as many, and fewer bits; by the order of `points`.
std::vector<bool> OnFrontier(const std::vector<QualityPoint>& points);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_QUALITY_PLOT_H_
