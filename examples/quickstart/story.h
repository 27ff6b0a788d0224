// Room: the quick start's text generator. One story is written from templates that choose, remember and
// agree.
#ifndef EXAMPLES_QUICKSTART_STORY_H_
#define EXAMPLES_QUICKSTART_STORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace stories {

// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers on every machine and with every library.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  // Uniform in [0, bound) but for a bias below bound / 2^32.
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(((Next() >> 32) * bound) >> 32); }
  bool Chance(uint32_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

// Somebody in a story. `reference` is how the text speaks of them ("Lily", "the owl", "her mom"), `call` how
// others address them ("Lily", "Owl", "Mom"), `kind` what they are ("girl", "rabbit"). Where there is an
// `introduction` ("her friend Lily"), it stands in place of the first reference.
struct Character {
  std::string reference;
  std::string call;
  std::string kind;
  bool female = false;
  bool child = false;
  std::string introduction = {};
};

// The template language, expanded by Say:
//   a|b|[c|d]     one of the alternatives, brackets nest; an empty one leaves the text out
//   {key}         a remembered word
//   {h} {h.he}    a character and its pronouns: he, him, his, himself, call, kind
//   <h:Text.>     h says it, with some form of "said"; <h+: gladly, <h-: sadly, <h.he: by pronoun
// The first letter of a sentence and of direct speech becomes a capital, "a" before a vowel "an".
class Story {
 public:
  explicit Story(uint64_t seed) : random_(seed) {}

  Random& random() { return random_; }
  void SetCharacter(char role, Character character) { characters_[role] = std::move(character); }
  const Character& character(char role) const { return characters_.at(role); }
  void Set(const std::string& key, std::string_view value) { words_[key] = Expand(value); }
  const std::string& Get(const std::string& key) const { return words_.at(key); }

  void Say(std::string_view alternatives);
  void Maybe(uint32_t percent, std::string_view alternatives);
  // Picks `count` different entries of the list in random order.
  std::vector<std::string> Draw(const std::vector<std::string>& list, size_t count);
  std::string Pick(const std::vector<std::string>& list) { return Draw(list, 1).front(); }

  const std::string& text() const { return text_; }

 private:
  std::string Expand(std::string_view alternatives);
  std::string ExpandSequence(std::string_view text);
  std::string Lookup(std::string_view key);
  std::string HeroByPronoun(std::string sentence);
  std::string Speech(std::string_view content);

  Random random_;
  std::map<char, Character> characters_;
  std::map<std::string, std::string> words_;
  std::string text_;
  std::string last_;  // what the latest Say added
};

// Fills in the people and tells one of the plots (plots_*.cc): one line.
std::string Tell(uint64_t seed);

// An endless sequence of stories, none of them twice, that depends on the seed alone.
class Collection {
 public:
  explicit Collection(uint64_t seed) : seeds_(seed) {}
  std::string Next();

 private:
  Random seeds_;
  std::unordered_set<std::string> told_;
};

// Plot functions expect the hero 'h', the friend 'f' and the elder 'p' to be set.
void LostToy(Story& story);
void OutOfReach(Story& story);
void Gift(Story& story);
void Sharing(Story& story);
void Fear(Story& story);
void LostBaby(Story& story);
void Honesty(Story& story);
void Practice(Story& story);
void RainyDay(Story& story);
void Seed(Story& story);
void Coins(Story& story);

// Shared steps.
void Opening(Story& story);
void Toy(Story& story);     // chooses {noun} and {toy}, which has a colour
void Joy(Story& story);     // the hero's
void Thanks(Story& story);  // from the hero to the friend
void Moral(Story& story, std::string_view lesson);

}  // namespace stories

#endif  // EXAMPLES_QUICKSTART_STORY_H_
