// Folders as transformers writes them, small and random, and what a plain forward pass in double over their
// own tensors is made of: written from the families' papers and reference code, shares nothing with the
// importer.
#ifndef CLLM_TESTS_CONVERTER_HUGGING_FACE_FOLDER_H_
#define CLLM_TESTS_CONVERTER_HUGGING_FACE_FOLDER_H_

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "converter/import/hugging_face.h"
#include "doctest/doctest.h"
#include "nlohmann/json.hpp"
#include "support/file_tools.h"
#include "support/random_model.h"

namespace cllm::testing {

using Json = nlohmann::json;
using Vector = std::vector<double>;

struct Array {
  std::vector<size_t> shape;
  std::vector<float> values;
};

// A folder's tensors by name.
class Folder {
 public:
  Json config;

  // Values of about unit gain, around `center`.
  void Add(const std::string& name, const std::vector<size_t>& shape, float center = 0) {
    Array& array = arrays_[name];
    array.shape = shape;
    const size_t inputs = shape.size() == 2 ? std::min(shape[0], shape[1]) : 9;
    size_t count = 1;
    for (const size_t n : shape) count *= n;
    for (size_t i = 0; i < count; ++i) {
      const float uniform = static_cast<float>(random_() >> 8) / 8388608.0f - 1.0f;
      array.values.push_back(center + uniform * 1.7f / std::sqrt(static_cast<float>(inputs)));
    }
  }
  // x times the transposed matrix [outputs][inputs], or with `turned` times one of [inputs][outputs]; plus a
  // bias, if there is one.
  Vector Linear(const std::string& name, const Vector& x, bool turned = false) const {
    const Array& w = arrays_.at(name + ".weight");
    const size_t outputs = w.shape[turned ? 1 : 0];
    Vector y(outputs);
    for (size_t n = 0; n < outputs; ++n) {
      for (size_t k = 0; k < x.size(); ++k) {
        y[n] += x[k] * static_cast<double>(w.values[turned ? k * outputs + n : n * x.size() + k]);
      }
    }
    const auto bias = arrays_.find(name + ".bias");
    for (size_t n = 0; bias != arrays_.end() && n < outputs; ++n)
      y[n] += static_cast<double>(bias->second.values[n]);
    return y;
  }
  Vector Row(const std::string& name, size_t row) const {
    const Array& array = arrays_.at(name);
    const auto begin = array.values.begin() + static_cast<long>(row * array.shape[1]);
    return Vector(begin, begin + static_cast<long>(array.shape[1]));
  }
  Vector All(const std::string& name) const {
    const Array& array = arrays_.at(name);
    return Vector(array.values.begin(), array.values.end());
  }
  const std::map<std::string, Array>& arrays() const { return arrays_; }
  void AddPrefix(const std::string& prefix) {
    std::map<std::string, Array> named;
    for (const auto& [name, array] : arrays_) named[prefix + name] = array;
    arrays_ = named;
  }
  void Write(const std::string& path) const {
    Json header;
    std::string data;
    for (const auto& [name, array] : arrays_) {
      const size_t begin = data.size();
      data.append(reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(float));
      header[name] = {{"dtype", "F32"}, {"shape", array.shape}, {"data_offsets", {begin, data.size()}}};
    }
    const std::string text = header.dump();
    const uint64_t length = text.size();
    WriteBytes(path + "/model.safetensors",
               std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data);
    WriteBytes(path + "/config.json", config.dump());
  }

 private:
  std::map<std::string, Array> arrays_;
  std::mt19937 random_{7};
};

inline constexpr size_t kVocabulary = 23, kWidth = 24, kHeads = 4, kHidden = 20, kContext = 12;

inline void AddTo(Vector& x, const Vector& change) {
  for (size_t i = 0; i < x.size(); ++i) x[i] += change[i];
}

inline double GeluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// Attention of the last of the positions: one head after the other, keys shared by groups.
struct Attention {
  size_t kv_heads, size;
  double scale;
  double softcap = 0;  // 0: none
  size_t window = 0;   // positions seen; 0: all
};
inline Vector Attend(const Attention& a, const Vector& queries, const std::vector<Vector>& keys,
                     const std::vector<Vector>& values) {
  Vector out;
  const size_t first = a.window != 0 && keys.size() > a.window ? keys.size() - a.window : 0;
  for (size_t h = 0; h < kHeads; ++h) {
    const size_t at = h / (kHeads / a.kv_heads) * a.size;
    Vector weights, mixed(a.size);
    double sum = 0;
    for (size_t t = first; t < keys.size(); ++t) {
      double score = 0;
      for (size_t d = 0; d < a.size; ++d) score += queries[h * a.size + d] * keys[t][at + d];
      score *= a.scale;
      if (a.softcap != 0) score = a.softcap * std::tanh(score / a.softcap);
      weights.push_back(std::exp(score));
      sum += weights.back();
    }
    for (size_t t = first; t < keys.size(); ++t) {
      for (size_t d = 0; d < a.size; ++d) mixed[d] += weights[t - first] / sum * values[t][at + d];
    }
    out.insert(out.end(), mixed.begin(), mixed.end());
  }
  return out;
}

// Rotates the first 2 n elements of each head by halves, n the number of frequencies.
inline void Rotate(const Vector& frequencies, size_t position, size_t size, double magnitude, Vector& heads) {
  const size_t n = frequencies.size();
  for (size_t at = 0; at < heads.size(); at += size) {
    for (size_t i = 0; i < n; ++i) {
      const double angle = static_cast<double>(position) * frequencies[i];
      const double c = magnitude * std::cos(angle), s = magnitude * std::sin(angle);
      const double x = heads[at + i], y = heads[at + i + n];
      heads[at + i] = x * c - y * s;
      heads[at + i + n] = y * c + x * s;
    }
  }
}

// theta^(-i / n) for n pairs.
inline Vector Frequencies(double theta, size_t n) {
  Vector frequencies;
  for (size_t i = 0; i < n; ++i)
    frequencies.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(n)));
  return frequencies;
}

// Runs the imported checkpoint in float32. `family` and `format` are its row and column in README's table,
// which tests/peers/families makes of the lines that this prints.
inline void CheckLogits(const std::string& family, const char* format, const Checkpoint& checkpoint,
                        const std::vector<uint32_t>& tokens, const std::vector<Vector>& expected) {
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  TestSession session(file, Limits(0, 1));
  double error = 0, size = 0;
  for (size_t t = 0; t < tokens.size(); ++t) {
    const std::vector<float> logits = session.Feed(tokens, t, t + 1);
    REQUIRE(logits.size() == expected[t].size());
    for (size_t v = 0; v < logits.size(); ++v) {
      error = std::max(error, std::abs(static_cast<double>(logits[v]) - expected[t][v]));
      size = std::max(size, std::abs(expected[t][v]));
    }
  }
  CHECK(size > 0.1);
  CHECK(error < 1e-4);
  std::printf("parity|%s|%s|%.1e\n", family.c_str(), format, error);
}

inline void CheckLogits(const Folder& folder, const std::vector<uint32_t>& tokens,
                        const std::vector<Vector>& expected) {
  const TemporaryDirectory directory;
  folder.Write(directory.path());
  const absl::StatusOr<Checkpoint> checkpoint = ImportHuggingFace(directory.path());
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.status().message());
  CheckLogits(folder.config["model_type"], "Hugging Face", *checkpoint, tokens, expected);
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_CONVERTER_HUGGING_FACE_FOLDER_H_
