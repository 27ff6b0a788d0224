#include "converter/train/training_state.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/export/output_file.h"
#include "converter/export/sha256.h"
#include "converter/import/mapped_file.h"
#include "converter/json/json_text.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "CLLMRUN1";
constexpr std::string_view kSuffix = ".state";
constexpr size_t kDigestBytes = sizeof(Sha256Digest);

void AppendFloats(const std::vector<float>& floats, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float));
}

std::vector<float> TakeFloats(std::string_view* bytes, size_t count) {
  std::vector<float> floats(count);
  if (count > 0) std::memcpy(floats.data(), bytes->data(), count * sizeof(float));
  bytes->remove_prefix(count * sizeof(float));
  return floats;
}

absl::Status Damaged(const std::string& what) {
  return absl::DataLossError(absl::StrCat("not the whole of a training state: ", what));
}

// How many floats of each kind follow the head.
struct FloatCounts {
  uint64_t weights = 0, second_moments = 0, average = 0, best = 0;
};

// Values that are missing, as in states of older versions, stay as they are.
absl::Status ReadHead(const nlohmann::json& head, TrainingState* state, FloatCounts* counts) {
  uint64_t step = 0, best_step = 0;
  const std::pair<const char*, uint64_t*> whole[] = {{"step", &step},
                                                     {"best_step", &best_step},
                                                     {"floats", &counts->weights},
                                                     {"second_floats", &counts->second_moments},
                                                     {"average_floats", &counts->average},
                                                     {"best_floats", &counts->best}};
  for (const auto& [name, value] : whole) {
    if (value == &counts->second_moments) *value = counts->weights;
    const auto found = head.find(name);
    if (found == head.end()) continue;
    if (!found->is_number_unsigned()) return Damaged(absl::StrCat(name, " of its head is no whole number"));
    *value = found->get<uint64_t>();
  }
  constexpr uint64_t kMostSteps = std::numeric_limits<uint32_t>::max();
  if (step > kMostSteps || best_step > kMostSteps) return Damaged("its head has an impossible step");
  state->step = static_cast<uint32_t>(step);
  state->best_step = static_cast<uint32_t>(best_step);
  const std::pair<const char*, double*> numbers[] = {
      {"seconds", &state->seconds},         {"beta1_power", &state->beta1_power},
      {"beta2_power", &state->beta2_power}, {"best_loss", &state->best_loss},
      {"rate_factor", &state->rate_factor}, {"first_loss", &state->first_loss}};
  for (const auto& [name, value] : numbers) {
    const auto found = head.find(name);
    if (found == head.end()) continue;
    if (!found->is_number()) return Damaged(absl::StrCat(name, " of its head is no number"));
    *value = found->get<double>();
  }
  const auto run = head.find("run");
  if (run == head.end()) return absl::OkStatus();
  if (!run->is_string()) return Damaged("run of its head is no text");
  state->run = run->get<std::string>();
  return absl::OkStatus();
}

// Newest first: the names have steps of fixed width.
std::vector<fs::path> StateFiles(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::string name = i->path().filename().string();
    if (name.rfind("step-", 0) == 0 && i->path().extension() == kSuffix) files.push_back(i->path());
  }
  std::sort(files.rbegin(), files.rend());
  return files;
}

absl::StatusOr<TrainingState> ReadState(const fs::path& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path.string(), "a training state");
  if (!file.ok()) return file.status();
  return StateFromBytes(file->bytes());
}

}  // namespace

std::string StateToBytes(const TrainingState& state) {
  const nlohmann::json head = {{"run", state.run},
                               {"step", state.step},
                               {"seconds", state.seconds},
                               {"beta1_power", state.beta1_power},
                               {"beta2_power", state.beta2_power},
                               {"rate_factor", state.rate_factor},
                               {"first_loss", state.first_loss},
                               {"best_step", state.best_step},
                               {"best_loss", state.best_loss},
                               {"floats", state.weights.size()},
                               {"second_floats", state.second_moments.size()},
                               {"average_floats", state.average_weights.size()},
                               {"best_floats", state.best_weights.size()}};
  const std::string text = JsonText(head);
  const uint64_t length = text.size();
  std::string bytes(kMagic);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes += text;
  AppendFloats(state.weights, &bytes);
  AppendFloats(state.first_moments, &bytes);
  AppendFloats(state.second_moments, &bytes);
  AppendFloats(state.average_weights, &bytes);
  AppendFloats(state.best_weights, &bytes);
  const Sha256Digest digest = Sha256(bytes);
  bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return bytes;
}

absl::StatusOr<TrainingState> StateFromBytes(std::string_view bytes) {
  uint64_t length = 0;
  const size_t head_at = kMagic.size() + sizeof(length);
  if (bytes.size() < head_at + kDigestBytes) return Damaged("too short");
  const std::string_view digest = bytes.substr(bytes.size() - kDigestBytes);
  bytes.remove_suffix(kDigestBytes);
  if (bytes.substr(0, kMagic.size()) != kMagic) return Damaged("it begins with other bytes");
  const Sha256Digest found = Sha256(bytes);
  if (std::memcmp(found.data(), digest.data(), found.size()) != 0) return Damaged("its digest is another");
  // A digest is no signature: whoever forges a state can make it right.
  std::memcpy(&length, bytes.data() + kMagic.size(), sizeof(length));
  if (length > bytes.size() - head_at) return Damaged("its head is cut off");
  const nlohmann::json head = ParseJson(bytes.substr(head_at, length));
  if (!head.is_object()) return Damaged("its head is no JSON");
  bytes.remove_prefix(head_at + length);
  TrainingState state;
  FloatCounts counts;
  if (absl::Status status = ReadHead(head, &state, &counts); !status.ok()) return status;
  const std::pair<uint64_t, std::vector<float>*> parts[] = {{counts.weights, &state.weights},
                                                            {counts.weights, &state.first_moments},
                                                            {counts.second_moments, &state.second_moments},
                                                            {counts.average, &state.average_weights},
                                                            {counts.best, &state.best_weights}};
  for (const auto& [count, part] : parts) {
    if (count > bytes.size() / sizeof(float)) return Damaged("it has fewer weights than its head says");
    *part = TakeFloats(&bytes, count);
  }
  if (!bytes.empty()) return Damaged("it has more weights than its head says");
  return state;
}

absl::Status WriteState(const std::string& folder, const TrainingState& state, uint32_t keep) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot make ", folder, ": ", error.message()));
  const std::string path = (fs::path(folder) / absl::StrFormat("step-%010d%s", state.step, kSuffix)).string();
  if (absl::Status status = WriteWholeFile(path, StateToBytes(state)); !status.ok()) return status;
  const std::vector<fs::path> files = StateFiles(folder);
  for (size_t i = keep; i < files.size(); ++i) fs::remove(files[i], error);
  return absl::OkStatus();
}

absl::StatusOr<TrainingState> ReadNewestState(const std::string& folder, std::string* skipped) {
  skipped->clear();
  for (const fs::path& path : StateFiles(folder)) {
    absl::StatusOr<TrainingState> state = ReadState(path);
    if (state.ok()) return state;
    absl::StrAppend(skipped, path.string(), ": ", state.status().message(), "\n");
  }
  return absl::NotFoundError(absl::StrCat("there is no training state in ", folder,
                                          skipped->empty() ? "" : " that can be read:\n", *skipped));
}

}  // namespace cllm
