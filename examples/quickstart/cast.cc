// The people of a story, and the steps that plots share.
#include <array>

#include "examples/quickstart/story.h"

namespace stories {
namespace {

struct Name {
  const char* name;
  bool female;
  const char* kind;
};

// A hero and the friend who is always theirs, as in a series of picture books: a model that learns for two
// minutes keeps apart a dozen people whom it knows, and mixes up any that are drawn anew for each story.
// Friends have names of their own, so that nobody can be taken for the hero.
struct Pair {
  Name hero, friendly;
};
constexpr std::array<Pair, 8> kChildren = {{
    {{"Tim", false, "boy"}, {"Sam", false, "boy"}},
    {{"Ben", false, "boy"}, {"Zoe", true, "girl"}},
    {{"Max", false, "boy"}, {"Noah", false, "boy"}},
    {{"Leo", false, "boy"}, {"Ella", true, "girl"}},
    {{"Lily", true, "girl"}, {"Sam", false, "boy"}},
    {{"Mia", true, "girl"}, {"Zoe", true, "girl"}},
    {{"Anna", true, "girl"}, {"Noah", false, "boy"}},
    {{"Lucy", true, "girl"}, {"Ella", true, "girl"}},
}};
constexpr std::array<Pair, 6> kAnimals = {{
    {{"Pip", false, "mouse"}, {"Bruno", false, "bear"}},
    {{"Rusty", false, "fox"}, {"Daisy", true, "duck"}},
    {{"Milo", false, "dog"}, {"Ruby", true, "cat"}},
    {{"Coco", true, "rabbit"}, {"Teddy", false, "hedgehog"}},
    {{"Dot", true, "frog"}, {"Bruno", false, "bear"}},
    {{"Hazel", true, "squirrel"}, {"Daisy", true, "duck"}},
}};

struct Elder {
  const char* word;
  const char* call;
  bool female;
};

constexpr std::array<Elder, 4> kElders = {{{"mom", "Mom", true},
                                           {"dad", "Dad", false},
                                           {"grandma", "Grandma", true},
                                           {"grandpa", "Grandpa", false}}};

Character Person(const Name& name, bool child) {
  return {name.name, name.name, name.kind, name.female, child};
}

void Cast(Story& story) {
  Random& random = story.random();
  const bool children = random.Chance(65);
  const Pair& pair =
      children ? kChildren[random.Below(kChildren.size())] : kAnimals[random.Below(kAnimals.size())];
  story.SetCharacter('h', Person(pair.hero, children));
  story.SetCharacter('f', Person(pair.friendly, children));
  const Elder& elder = kElders[random.Below(100) < 70 ? random.Below(2) : 2 + random.Below(2)];
  const bool girl = story.character('h').female;
  story.SetCharacter(
      'p', {std::string(girl ? "her " : "his ") + elder.word, elder.call, elder.word, elder.female, false});
  // A friend who is a person has no kind worth telling: "his friend Lily", but "his friend Dot the frog".
  Character friendly = story.character('f');
  friendly.introduction = std::string(girl ? "her" : "his") + " friend " + friendly.reference;
  if (!friendly.child) friendly.introduction += " the " + friendly.kind;
  story.SetCharacter('f', friendly);
  story.Set("day", "one [day|day|morning|afternoon|sunny day|sunny morning|warm day]");
}

}  // namespace

void Toy(Story& story) {
  story.Set("noun", "[ball|kite|doll|toy car|toy boat|toy train|teddy bear|drum|bucket|book]");
  story.Set("toy", "[big|little|soft|new|old|pretty|shiny|] [red|blue|green|yellow|pink] {noun}");
}

void Opening(Story& story) {
  story.Set("small", "[little|little|small|young]");
  story.Say(
      "[once upon a time,|once,|long ago,] there [was|lived] a {small} {h.kind} [named|called] {h}."
      "|a {small} {h.kind} [named|called] {h} lived [in a little town|by the sea|near the woods]."
      "|once upon a time, there was a {h.kind} [named|called] {h}."
      "|there was once a {small} {h.kind}. {h.his} name was {h}."
      "|in a [little town|land far away|small town by the sea], there lived a {small} {h.kind} "
      "[named|called] {h}.");
  story.Maybe(
      55,
      "{h.he} lived with {p} in a [small|little|big|cozy] house [near the woods|by the lake|on a hill|]."
      "|{h} was [a kind and happy|a very happy|a very curious|a brave|a kind|a funny] {h.kind}."
      "|{h.he} liked to [sing|run|dance|play|tell stories|jump and play|look at the stars] [every day|all "
      "day|].|"
      "{h} loved [sunny days|big adventures|funny stories|singing songs|{p} very much].|"
      "everyone in the town [knew|liked] {h}, because {h.he} [was so kind|always smiled|had a big smile].");
}

void Joy(Story& story) {
  story.Say(
      "{h} was so happy that {h.he} [jumped up and down|danced around|laughed out loud|clapped {h.his} "
      "hands]."
      "|{h} [gave {f} a big hug|hugged {f}]."
      "|{h} felt [very happy|warm and happy|so glad]."
      "|a big smile came to {h.his} face.");
}

void Thanks(Story& story) {
  story.Say(
      "<h+:[Thank you|Thank you so much][, {f.call}| for helping me, {f.call}| for your help, {f.call}][!|. "
      "You are [a good friend|so kind].]> "
      "[<f+:[You are welcome|I am glad to help|That is what friends are for|We did it together].>|]");
}

void Moral(Story& story, std::string_view lesson) {
  story.Set("lesson", lesson);
  story.Maybe(70,
              "[from that day on,|after that day,] {h} [always remembered|never forgot|knew] that {lesson}."
              "|{h} learned that {lesson}."
              "|that day, {h} learned [something important|a good lesson]: {lesson}."
              "|that night, {h} thought about the day and knew that {lesson}.");
  story.Maybe(30, "the end.|and they were all [very |]happy.");
}

std::string Tell(uint64_t seed) {
  using Plot = void (*)(Story&);
  constexpr std::array<Plot, 11> kPlots = {LostToy, OutOfReach, Gift,     Sharing, Fear, LostBaby,
                                           Honesty, Practice,   RainyDay, Seed,    Coins};
  Story story(seed);
  Cast(story);
  Opening(story);
  kPlots[story.random().Below(kPlots.size())](story);
  return story.text();
}

std::string Collection::Next() {
  for (;;) {
    std::string story = Tell(seeds_.Next());
    if (told_.insert(story).second) return story;
  }
}

}  // namespace stories
