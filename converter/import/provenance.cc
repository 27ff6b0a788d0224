#include "converter/import/provenance.h"

#include "schemas/model_generated.h"

namespace cllm {
namespace {

std::string TextOf(const flatbuffers::String* text) { return text != nullptr ? text->str() : std::string(); }

}  // namespace

Provenance ReadProvenance(const Model& model) {
  const schema::Provenance* stored = static_cast<const schema::Model*>(model.head)->provenance();
  if (stored == nullptr) return {};
  return {TextOf(stored->source()), TextOf(stored->licence()), TextOf(stored->recipe())};
}

std::string ReadChatTemplate(const Model& model) {
  const schema::Tokenizer* stored = static_cast<const schema::Model*>(model.head)->tokenizer();
  return stored != nullptr ? TextOf(stored->chat_template()) : std::string();
}

}  // namespace cllm
