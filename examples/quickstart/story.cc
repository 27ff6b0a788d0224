#include "examples/quickstart/story.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace stories {
namespace {

constexpr char kSentence = '\1';  // a sentence begins here
constexpr std::string_view kVowels = "aeiou";

[[noreturn]] void Fail(std::string_view what, std::string_view where) {
  std::fprintf(stderr, "stories: %.*s in template: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(where.size()), where.data());
  std::exit(1);
}

// Position just after the bracket that closes the one at `open`.
size_t AfterClosing(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '<' || text[i] == '{') ++depth;
    if (text[i] == ']' || text[i] == '>' || text[i] == '}') {
      if (--depth == 0) return i + 1;
    }
  }
  Fail("bracket not closed", text);
}

std::vector<std::string_view> Alternatives(std::string_view text) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' || text[i] == '<' || text[i] == '{') {
      i = AfterClosing(text, i) - 1;
    } else if (text[i] == '|') {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

// Settles articles, single spaces and capitals in the words of one or more sentences.
std::string Polish(const std::string& raw) {
  std::string out;
  bool quoted = false;
  bool capital = true;
  for (size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == ' ') {
      if (out.empty() || out.back() == ' ') continue;
      const bool article =
          (out.back() == 'a' || out.back() == 'A') &&
          (out.size() == 1 || !std::isalpha(static_cast<unsigned char>(out[out.size() - 2])));
      const size_t next = raw.find_first_not_of(' ', i);
      if (article && next != std::string::npos && kVowels.find(raw[next]) != std::string_view::npos)
        out += 'n';
      out += c;
      continue;
    }
    if ((c == '.' || c == ',' || c == '!' || c == '?') && !out.empty() && out.back() == ' ') out.pop_back();
    if (c == kSentence) {
      capital = true;
      continue;
    }
    if (capital && std::isalpha(static_cast<unsigned char>(c))) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      capital = false;
    }
    if (c == '"') {
      quoted = !quoted;
      capital = quoted;  // after a closing quote the sentence may go on: "Help!" she cried.
    } else if (c == '.' || c == '!' || c == '?') {
      capital = true;
    }
    out += c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

uint64_t Random::Next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void Story::Say(std::string_view alternatives) {
  std::string sentence = Polish(Expand(alternatives));
  if (sentence.empty()) return;
  sentence = HeroByPronoun(std::move(sentence));
  last_ = sentence;
  if (!text_.empty()) text_ += ' ';
  text_ += sentence;
}

void Story::Maybe(uint32_t percent, std::string_view alternatives) {
  if (random_.Chance(percent)) Say(alternatives);
}

// Says "She" instead of the hero's name at the beginning of a sentence where nobody else can be meant.
std::string Story::HeroByPronoun(std::string sentence) {
  const Character& hero = characters_.at('h');
  const std::string pronoun = hero.female ? "She" : "He";
  const std::string name = hero.reference + " ";
  if (!sentence.starts_with(name) || sentence.starts_with(name + "and ")) return sentence;
  if (last_.find('"') != std::string::npos) return sentence;
  if (last_.find(hero.reference) == std::string::npos && !last_.starts_with(pronoun + " ")) return sentence;
  for (const auto& [role, other] : characters_) {
    if (role == 'h' || other.female != hero.female) continue;
    if (last_.find(other.reference.substr(1)) != std::string::npos)
      return sentence;  // "His dad" or "his dad"
  }
  if (!random_.Chance(85)) return sentence;
  return pronoun + sentence.substr(name.size() - 1);
}

std::vector<std::string> Story::Draw(const std::vector<std::string>& list, size_t count) {
  std::vector<std::string> rest = list;
  std::vector<std::string> drawn;
  while (drawn.size() < count) {
    const size_t i = random_.Below(static_cast<uint32_t>(rest.size()));
    drawn.push_back(rest[i]);
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return drawn;
}

std::string Story::Expand(std::string_view alternatives) {
  const std::vector<std::string_view> parts = Alternatives(alternatives);
  return ExpandSequence(parts[random_.Below(static_cast<uint32_t>(parts.size()))]);
}

std::string Story::ExpandSequence(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c != '[' && c != '{' && c != '<') {
      out += c;
      ++i;
      continue;
    }
    const size_t after = AfterClosing(text, i);
    const std::string_view inside = text.substr(i + 1, after - i - 2);
    if (c == '[') out += Expand(inside);
    if (c == '{') out += Lookup(inside);
    if (c == '<') out += Speech(inside);
    i = after;
  }
  return out;
}

std::string Story::Lookup(std::string_view key) {
  if (key.size() == 1 || (key.size() > 2 && key[1] == '.')) {
    const auto found = characters_.find(key[0]);
    if (found == characters_.end()) Fail("unknown character", key);
    Character& who = found->second;
    const std::string_view form = key.size() == 1 ? std::string_view() : key.substr(2);
    if (form.empty()) return who.introduction.empty() ? who.reference : std::exchange(who.introduction, "");
    if (form == "he") return who.female ? "she" : "he";
    if (form == "him") return who.female ? "her" : "him";
    if (form == "his") return who.female ? "her" : "his";
    if (form == "himself") return who.female ? "herself" : "himself";
    if (form == "call") return who.call;
    if (form == "kind") return who.kind;
    Fail("unknown form", key);
  }
  const auto found = words_.find(std::string(key));
  if (found == words_.end()) Fail("unknown word", key);
  return found->second;
}

// content: role, optional ".he", optional tone + or -, colon, alternatives of what is said.
std::string Story::Speech(std::string_view content) {
  const size_t colon = content.find(':');
  if (colon == std::string_view::npos) Fail("speech without a colon", content);
  const std::string_view head = content.substr(0, colon);
  const bool pronoun = head.find(".he") != std::string_view::npos;
  const char tone = head.back();
  const std::string role(1, head[0]);
  const std::string who = pronoun ? "{" + role + ".he}" : "{" + role + "}";
  const std::string his = "{" + role + ".his}";
  std::string said = Expand(content.substr(colon + 1));
  said.erase(0, said.find_first_not_of(' '));
  said.erase(said.find_last_not_of(' ') + 1);
  if (said.empty()) Fail("nothing said", content);
  const char end = said.back();
  if (end != '.' && end != '!' && end != '?') Fail("speech without an end", content);

  std::string verb = end == '?' ? "asked" : "said";
  if (end == '!' && random_.Chance(50)) verb = tone == '-' ? "cried" : "shouted";
  std::string manner;
  std::string before;
  if (tone == '+') {
    if (random_.Chance(25) && end == '.') manner = Expand(" [happily|with a big smile|with a smile]");
    before = Expand("[smiled and|smiled and|laughed and]");
  } else if (tone == '-') {
    if (random_.Chance(35) && end != '!')
      manner = Expand(" [sadly|in a small voice|with tears in " + his + " eyes]");
    before = Expand("[looked down and|sighed and]");
  }
  const uint32_t form = random_.Below(10);
  if (form < 3) {
    const bool use_before = !before.empty() && manner.empty();
    return ExpandSequence(who) + " " + (use_before ? before + " " : "") + verb + manner + ", \"" + said +
           "\"" + kSentence;
  }
  if (end == '.') said.back() = ',';
  const std::string subject = ExpandSequence(who);
  const bool inverted = !pronoun && form < 8;
  return "\"" + said + "\" " + (inverted ? verb + " " + subject : subject + " " + verb) + manner + ".";
}

}  // namespace stories
