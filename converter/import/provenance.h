// Room: converter/import. What the head of an opened model says beside the runtime's view.
#ifndef CLLM_CONVERTER_IMPORT_PROVENANCE_H_
#define CLLM_CONVERTER_IMPORT_PROVENANCE_H_

#include <string>

#include "converter/checkpoint/checkpoint.h"
#include "model/model.h"

namespace cllm {

// Empty strings where the head says nothing.
Provenance ReadProvenance(const Model& model);

// The tokenizer's chat template, in Jinja; empty if there is none.
std::string ReadChatTemplate(const Model& model);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_PROVENANCE_H_
