// Takes a model file apart, lets a test change anything in the head or the segments, and puts it together.
#ifndef CLLM_TESTS_SUPPORT_FILE_EDITOR_H_
#define CLLM_TESTS_SUPPORT_FILE_EDITOR_H_

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/layout.h"
#include "model/model.h"
#include "schemas/model_generated.h"

namespace cllm::testing {

// A copy that starts at a multiple of 64 and ends where the bytes end, so that AddressSanitizer sees a read
// beyond them.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::string_view bytes, size_t shift = 0) : shift_(shift), size_(bytes.size()) {
    if (::posix_memalign(&block_, kAlignment, bytes.size() + shift) != 0) throw std::bad_alloc();
    if (!bytes.empty()) std::memcpy(data(), bytes.data(), bytes.size());
  }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  ~AlignedBytes() { std::free(block_); }
  uint8_t* data() { return static_cast<uint8_t*>(block_) + shift_; }
  size_t size() const { return size_; }

 private:
  void* block_ = nullptr;
  size_t shift_;
  size_t size_;
};

inline Status OpenStatus(std::string_view bytes) {
  AlignedBytes aligned(bytes);
  Model model;
  return OpenModel(aligned.data(), aligned.size(), &model);
}

class FileEditor {
 public:
  using Edit = std::function<void(schema::ModelT&)>;

  explicit FileEditor(std::string_view file) {
    AlignedBytes aligned(file);
    head_.reset(schema::GetSizePrefixedModel(aligned.data())->UnPack());
    for (schema::SegmentT* segment : Segments()) {
      content_[segment] = std::string(file.substr(segment->offset, segment->bytes));
    }
  }

  schema::ModelT& head() { return *head_; }
  schema::ConfigT& config() { return *head_->config; }
  schema::TokenizerT& tokenizer() { return *head_->tokenizer; }

  std::string& Content(const std::unique_ptr<schema::SegmentT>& segment) { return content_[segment.get()]; }

  // Gives a segment new content and length.
  void SetContent(std::unique_ptr<schema::SegmentT>& segment, const std::string& content) {
    if (segment == nullptr) segment = std::make_unique<schema::SegmentT>();
    segment->bytes = content.size();
    content_[segment.get()] = content;
  }

  // Lays the segments out again. Lengths stay as the head says, even if the content's differ. `last` may then
  // change any number of the head that is not at its default.
  std::string Build(const Edit& last = {}) {
    for (schema::SegmentT* segment : Segments()) segment->offset = kAlignment;
    head_->file_bytes = kAlignment;
    uint64_t offset = Pack().size();
    uint64_t end = offset;
    for (schema::SegmentT* segment : Segments()) {
      offset = RoundUp(end, kAlignment);
      segment->offset = offset;
      end = offset + content_[segment].size();
    }
    head_->file_bytes = end;
    std::string file(end, '\0');
    for (schema::SegmentT* segment : Segments()) {
      file.replace(segment->offset, content_[segment].size(), content_[segment]);
    }
    if (last) last(*head_);
    const std::string head = Pack();
    file.replace(0, head.size(), head);
    return file;
  }

 private:
  std::vector<schema::SegmentT*> Segments() {
    std::vector<schema::SegmentT*> segments;
    for (auto& tensor : head_->tensors) segments.push_back(tensor->segment.get());
    if (head_->tokenizer != nullptr) {
      for (auto* segment : {&tokenizer().pieces, &tokenizer().scores, &tokenizer().merges, &tokenizer().index,
                            &tokenizer().byte_tokens, &tokenizer().words, &tokenizer().added}) {
        if (*segment != nullptr) segments.push_back(segment->get());
      }
    }
    return segments;
  }

  std::string Pack() {
    flatbuffers::FlatBufferBuilder builder;
    builder.FinishSizePrefixed(schema::Model::Pack(builder, head_.get()), schema::ModelIdentifier());
    return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
  }

  std::unique_ptr<schema::ModelT> head_;
  std::map<const schema::SegmentT*, std::string> content_;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_FILE_EDITOR_H_
