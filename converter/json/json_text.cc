#include "converter/json/json_text.h"

namespace cllm {
namespace {

template <typename Json>
std::string Text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

nlohmann::json ParseJson(std::string_view text) { return nlohmann::json::parse(text, nullptr, false); }

std::string WhyNoJson(std::string_view text) {
  try {
    if (nlohmann::json::parse(text).is_discarded()) return "it was given up";
  } catch (const nlohmann::json::parse_error& error) {
    // The library's words behind its own name and place.
    const std::string_view words = error.what();
    const size_t place = words.find(": ");
    const std::string_view why = place == std::string_view::npos ? words : words.substr(place + 2);
    const std::string quoted = JsonText(nlohmann::json(std::string(why)));  // it may hold bytes of the text
    return "byte " + std::to_string(error.byte) + ": " + quoted.substr(1, quoted.size() - 2);
  } catch (const nlohmann::json::exception& error) {
    return error.what();  // a number beyond all bounds
  }
  return "";
}

std::string JsonText(const nlohmann::json& json, int indent) { return Text(json, indent); }

std::string JsonText(const nlohmann::ordered_json& json, int indent) { return Text(json, indent); }

}  // namespace cllm
