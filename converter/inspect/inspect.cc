#include "converter/inspect/inspect.h"

#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/sha256.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "plan/session_plan.h"
#include "schemas/model_generated.h"

namespace cllm {
namespace {

const schema::Model& HeadOf(const ModelFile& file) {
  return *static_cast<const schema::Model*>(file.model().head);
}

std::string TextOf(const flatbuffers::String* text) { return text != nullptr ? text->str() : std::string(); }

const char* PartOf(Role role) {
  switch (role) {
    case Role::kTokenEmbedding: return "token_embedding";
    case Role::kQueryKeyValue:
    case Role::kAttentionOutput: return "attention";
    case Role::kGateUp:
    case Role::kDown: return "feed_forward";
    case Role::kHead: return "head_matrix";
    default: return "norms";
  }
}

// Walks the segments: hashes each, adds up the parts, and the digest of all digests.
class SegmentAudit {
 public:
  explicit SegmentAudit(const ModelFile& file) : file_(file) {}

  bool Check(const schema::Segment& segment, const char* part) {
    const char* data = reinterpret_cast<const char*>(file_.bytes()) + segment.offset();
    const Sha256Digest digest = Sha256({data, static_cast<size_t>(segment.bytes())});
    digests_.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    parts_[part] += segment.bytes();
    const bool same = segment.digest() != nullptr &&
                      std::memcmp(segment.digest()->sha256()->data(), digest.data(), digest.size()) == 0;
    all_match_ = all_match_ && same;
    return same;
  }

  Sha256Digest ContentDigest() const { return Sha256(digests_); }
  bool all_match() const { return all_match_; }

  std::vector<PartReport> Parts(uint64_t head_bytes) const {
    std::vector<PartReport> parts = {{"head", head_bytes}};
    uint64_t rest = file_.size() - head_bytes;
    for (const char* name :
         {"token_embedding", "attention", "feed_forward", "norms", "head_matrix", "tokenizer"}) {
      const auto found = parts_.find(name);
      if (found == parts_.end()) continue;
      parts.push_back({name, found->second});
      rest -= found->second;
    }
    parts.push_back({"alignment", rest});
    return parts;
  }

 private:
  const ModelFile& file_;
  std::string digests_;
  std::map<std::string, uint64_t> parts_;
  bool all_match_ = true;
};

void ReportTensors(const ModelFile& file, SegmentAudit* audit, ModelReport* report) {
  const auto& stored = *HeadOf(file).tensors();
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    const schema::Segment& segment = *stored.Get(i)->segment();
    report->tensors.push_back({TensorName({entry.role, entry.layer}), entry.tensor.rows, entry.tensor.columns,
                               entry.tensor.dtype, segment.offset(), segment.bytes(),
                               audit->Check(segment, PartOf(entry.role))});
  }
}

void ReportTokenizer(const ModelFile& file, SegmentAudit* audit) {
  const schema::Tokenizer* tokenizer = HeadOf(file).tokenizer();
  if (tokenizer == nullptr) return;
  for (const schema::Segment* segment :
       {tokenizer->pieces(), tokenizer->scores(), tokenizer->merges(), tokenizer->index(),
        tokenizer->byte_tokens(), tokenizer->words(), tokenizer->added()}) {
    if (segment != nullptr) audit->Check(*segment, "tokenizer");
  }
}

void ReportHead(const ModelFile& file, ModelReport* report) {
  const schema::Model& head = HeadOf(file);
  report->path = file.path();
  report->file_bytes = file.size();
  report->format_major = head.format_major();
  report->format_minor = head.format_minor();
  report->norm_epsilon = file.model().config.norm_epsilon;
  report->rope_pairs = file.model().config.rope_pairs;
  report->variant = file.model().config.variant;
  report->tokenizer = TokenizerKindName(file.model().tokenizer.kind);
  if (const schema::Provenance* provenance = head.provenance()) {
    report->source = TextOf(provenance->source());
    report->licence = TextOf(provenance->licence());
    report->recipe = TextOf(provenance->recipe());
    report->tool = TextOf(provenance->tool());
  }
}

absl::Status ReportPlan(const ModelFile& file, uint32_t context, uint32_t batch, cllm_kv_format kv_format,
                        ModelReport* report) {
  const cllm_limits limits = {sizeof(cllm_limits), context, batch, 0, kv_format, 0};
  SessionPlan plan;
  const cllm_status status = PlanSession(file.model().config, &limits, &plan);
  if (status != CLLM_OK) {
    return ExplainStatus(status, absl::StrCat(file.path(), " with context ", context, " and batch ", batch));
  }
  report->plan_context = plan.limits.context;
  report->plan_batch = plan.limits.batch;
  report->plan_kv_format = kv_format;
  report->room_bytes = plan.room_bytes;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelReport> Inspect(const ModelFile& file, uint32_t context, uint32_t batch,
                                    cllm_kv_format kv_format) {
  ModelReport report = {};
  report.info.struct_size = sizeof(report.info);
  if (absl::Status status = ExplainStatus(cllm_model_describe(file.handle(), &report.info), file.path());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = ReportPlan(file, context, batch, kv_format, &report); !status.ok()) return status;
  ReportHead(file, &report);
  SegmentAudit audit(file);
  ReportTensors(file, &audit, &report);
  ReportTokenizer(file, &audit);
  const uint64_t head_bytes = uint64_t{flatbuffers::ReadScalar<flatbuffers::uoffset_t>(file.bytes())} +
                              sizeof(flatbuffers::uoffset_t);
  report.parts = audit.Parts(head_bytes);
  const Sha256Digest content = audit.ContentDigest();
  report.content_digest = Hexadecimal(content);
  const schema::Digest* stored = HeadOf(file).content_digest();
  report.digests_match = audit.all_match() && stored != nullptr &&
                         std::memcmp(stored->sha256()->data(), content.data(), content.size()) == 0;
  return report;
}

}  // namespace cllm
