// Room: converter/json. JSON from text and back. Reading and writing are compiled here, once: elsewhere JSON
// is only a value.
#ifndef CLLM_CONVERTER_JSON_JSON_TEXT_H_
#define CLLM_CONVERTER_JSON_JSON_TEXT_H_

#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace cllm {

// The value of a text, of bytes that need not be trusted; text that is no JSON gives one that is_discarded().
nlohmann::json ParseJson(std::string_view text);

// Why a text is no JSON: "byte 25: ..."; "" for one that is.
std::string WhyNoJson(std::string_view text);

// The text of a value: in one line, or with so many spaces a level. Bytes that are no UTF-8, which a path or
// a piece of a vocabulary may hold, become U+FFFD.
std::string JsonText(const nlohmann::json& json, int indent = -1);
std::string JsonText(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace cllm

#endif  // CLLM_CONVERTER_JSON_JSON_TEXT_H_
