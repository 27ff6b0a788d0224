// Plots about others: a gift for somebody dear, a lost baby animal, a broken cup and the truth.
#include <array>

#include "examples/quickstart/story.h"

namespace stories {
namespace {

struct Young {
  const char* kind;
  const char* reference;
  const char* home;
};

constexpr std::array<Young, 6> kYoung = {{{"bird", "baby bird", "[tall|old|big] tree"},
                                          {"owl", "baby owl", "[tall|old|big] tree"},
                                          {"duck", "baby duck", "[pond|lake|river]"},
                                          {"lamb", "lamb", "[farm|hill]"},
                                          {"kitten", "kitten", "[farm|old barn|shop]"},
                                          {"puppy", "puppy", "[farm|old barn|shop]"}}};

struct Present {
  const char* thing;
  const char* some;
  const char* need;
  bool food;
};

constexpr std::array<Present, 5> kPresents = {{{"cake", "a [big|pretty|special] cake", "sugar", true},
                                               {"pie", "a [big|pretty|special] pie", "apples", true},
                                               {"soup", "[hot|warm] soup", "carrots", true},
                                               {"kite", "a [big|pretty|special] kite", "paper", false},
                                               {"card", "a [big|pretty|special] card", "glue", false}}};

Character Stranger(Story& story, const std::string& kind) {
  return {"the " + kind, kind, kind, story.random().Chance(50), false, "a " + kind};
}

}  // namespace

void Gift(Story& story) {
  const Present& present = kPresents[story.random().Below(kPresents.size())];
  story.Set("thing", present.thing);
  story.Set("some", present.some);
  story.Set("need", present.need);
  story.SetCharacter(
      'n', {story.Pick({"the farmer", "the old owl", "the baker", "the old bear", "the wise turtle"}), "",
            "neighbor", story.random().Chance(50), false});
  story.Say(
      "it was the birthday of {p}. {h} wanted to make {some}.|{day}, {h} wanted to make {some} for {p}.|{p} "
      "was [sick|tired|sad] {day}. {h} wanted to make {some} for {p.him}.|{day}, {h} had an idea. <h.he+:I "
      "will make {some} for {p.call}!>");
  story.Say(
      "{h} [looked in the kitchen|looked all over the house|got everything ready|began to work], but {h.he} "
      "could not find any {need}.|{h.he} began to work, but [then|soon] {h.he} saw that {h.he} had no "
      "{need}.|but {h} had no {need}, and {h.he} could not make it without {need}.");
  story.Maybe(50,
              "<h-:Oh no! What can I do now?>|<h-:I need {need}. Where can I get some?>|{h} was sad, but "
              "{h.he} did not give up.");
  story.Say(
      "first, {h} went to {f}. <h:Do you have [any|some] {need}, {f.call}?> <f-:[I am sorry|Sorry|No], I do "
      "not have any {need}. [But I can help you look.|Let us ask {n}.|But {n} may have some.|]>|{h} asked "
      "{f} for {need}. but {f} had [none|no {need}]. [<f:Let us go to {n}.>|<f:I can help you look.>|]");
  story.Say(
      "then [they|{h} and {f}] went to {n}. <h:Please, can [you give us|we have] some {need}?>|so they "
      "went to see {n}. <h:Do you have some {need} for us?>");
  story.Set(
      "job",
      "[carry the wood|clean the yard|pick the apples|feed the chickens|water the plants|sweep the floor]");
  story.Say(
      "<n:[Yes, but first you must help me|I will give you {need} if you help me|Help me] {job}.> {h} and "
      "{f} [worked hard|worked all day|helped].|<n:I am [too tired|very busy]. If you help me {job}, I will "
      "give you {need}.> [so |]they [worked hard|helped].");
  story.Say(
      "[when they were done,|then|after that,] {n} gave them [the {need}|some {need}|all the {need} they "
      "needed]. [<n+:You are good helpers!>|<n+:Thank you for your help!>|]");
  story.Say(
      "{h} ran home and made {some}. [{f} helped too.|it took a long time.|it was hard work, but it was "
      "fun.|]|at home, {h} and {f} worked [all day|together|fast], and [soon|at last] the {thing} was "
      "ready.");
  story.Say(std::string("[when {p} saw the {thing}, {p.he} was very happy.|{p} looked at the {thing} and "
                        "smiled.|{h} gave the {thing} to {p}.] ") +
            "<p+:[Thank you, {h.call}!|What a " + (present.food ? "good" : "pretty") +
            " {thing}!|You made this for me? Thank you!|" +
            (present.food ? "This is the best {thing} in the world!" : "I love it!") + "]>");
  if (present.food) {
    story.Say(
        "they [all |]ate the {thing} together[ and it was very good|, and {f} got a big piece too|].|{p} "
        "shared the {thing} with {h} and {f}. [it was so good!|everyone was happy.]");
  } else {
    story.Say(
        "{p} [hugged|kissed] {h}[ and {f}|]. [{h} felt so proud.|{h} was very happy.|]|{h} felt [proud and "
        "happy|very proud].");
  }
  Moral(story,
        "[a gift from the heart is the best gift|it feels good to make others happy|hard work can make "
        "others happy|if you help others, they will help you]");
}

void LostBaby(Story& story) {
  const Young& young = kYoung[story.random().Below(kYoung.size())];
  story.SetCharacter('b', Stranger(story, young.reference));
  story.Set("little", std::string("little ") + young.kind);
  story.SetCharacter('m', {"the mom", "", "mom", true, false});
  story.Set("home", std::string("the ") + young.home);
  story.Set("where", "[in the park|in the woods|in the garden|near the river|on the road]");
  story.Set("nice", "[water|bread|warm milk|berries]");
  story.Say(
      "{day}, {h} was [walking|playing] {where} when {h.he} heard a [small|sad|soft] sound.|{day}, {h} [went "
      "for a walk|went out to play] {where}. [suddenly, |]{h.he} heard a [small|sad|soft] sound.");
  story.Say(
      "it was {b}[ under a bush| in the grass| behind a rock|]. [{b.he} was all alone.|{b.he} was cold and "
      "scared.|{b.he} was crying.]|[under a bush|in the grass|behind a rock], {h.he} found {b}. [{b.he} was "
      "all alone.|{b.he} was cold and scared.]");
  story.Say(
      "<h:[Hello, {little}.|Do not cry, {little}.|] [Are you lost?|Where is your mom?]> <b-:I [am lost|want "
      "my mom|cannot find my mom].>");
  story.Say(
      "<h:[I will help you|Do not worry. We will find your mom|Come with me. We will find her].>|{h} wanted "
      "to help {b.him}.");
  story.Maybe(
      50,
      "{h} gave {b} some {nice}[ and a warm hug|]. [{b} felt better.|]|{h} took {b.him} in {h.his} arms.");
  story.SetCharacter('c', Stranger(story, story.Pick({"cow", "horse", "pig"})));
  story.SetCharacter('d', Stranger(story, story.Pick({"frog", "goat", "hen"})));
  story.Say(
      "first, they [met|asked] {c}. <h:Have you seen the mom of this little one?> <c:[No, I am sorry|No, I "
      "have not seen her|No, I was asleep all day].>|they went to {c} and asked for help. but {c} [did not "
      "know|had not seen her].");
  story.Maybe(60,
              "then they [met|asked] {d}. <d:[No, she is not here|I do not know|She was here, but she went "
              "away].>|then they asked {d}, but {d} did not know. {b} began to cry.");
  story.Say(
      "then {f} [came by|came to help]. <f+:I [saw|heard] the mom near {home}! [She was looking for her "
      "baby.|She was crying.]>|{h} asked {f} for help. <f:[I think|I know] she is near {home}.>");
  story.Say(
      "[so |]they all went there[ as fast as they could| together|].|{h}, {f} and {b} [ran|walked] there.");
  story.Say(
      "[there|at last|and there], {b} saw {b.his} mom. <b+:Mom! Mom!> [{b.he} ran to her.|they hugged for a "
      "long time.]|and there was {m}! [she was so happy to see her baby.|{b} ran to her and they hugged.]");
  story.Say(
      "<b+:[Thank you, {h.call}!|Thank you for your help, {h.call}!]>|{m} thanked {h} and {f}. [\"You are "
      "very kind,\" she said.|]");
  story.Say(
      "{h} [felt warm and happy|was happy to help|waved and went home|went home with a big smile].|{h} and "
      "{f} went home [happy|with a smile].");
  story.Maybe(40,
              "the next day, {h} came back to play with {b}.|{h} and {b} [became good friends|were friends "
              "from then on].");
  Moral(story, "[it is good to help others|even a small act can help|it feels good to be kind]");
}

void Honesty(Story& story) {
  story.Set("thing", "[cup|plate|lamp|clock|mirror]");
  story.Set("fine", "[blue|yellow|pretty|old|big|green]");
  story.Say(
      "{day}, {h} was [playing with a ball|running|jumping|dancing] in the house. {p} had said, \"[Do not "
      "play in the house|Please be careful in the house].\"|{day}, {h} played [with a ball|] in the house, "
      "but {p} had said not to.");
  story.Say(
      "[suddenly,|then] there was a [loud|big] crash. the {fine} {thing} was [broken|on the floor in many "
      "pieces]!|{h} [did not look|was too fast] and hit the {fine} {thing}. [crash! |]it broke.");
  story.Maybe(50,
              "<h-:Oh no! What have I done?>|{h.his} heart beat fast.|it was the favorite {thing} of {p}.");
  story.Say(
      "{h} was [scared|afraid]. {h.he} hid the pieces [under the bed|in a box|behind the sofa|under the "
      "sofa].|{h} did not want {p} to be [mad|sad]. so {h.he} hid the pieces [under the bed|in a box|behind "
      "the sofa].");
  story.Say(
      "when {p} came home, {p.he} looked [around|for the {thing}]. <p:[Where is my {thing}|Have you seen my "
      "{thing}], {h.call}?>|soon {p} came home. <p:Where is my {thing}, {h.call}?>");
  story.Say(
      "<h-:[I do not know.|Maybe the cat took it.|I did not see it.]> [but that was not true.|it was a "
      "lie.]|{h} [looked at {h.his} feet|did not say anything]. [{h.he} was too scared to speak.|]");
  story.Say(
      "{h} felt [very bad|sick inside]. {h.he} could not [eat|play|sleep|smile].|[that night, |]{h} could "
      "not sleep. {h.he} [thought about the {thing}|felt bad inside].");
  story.Maybe(55,
              "{h} told {f} about it. <f:[You must tell the truth|You will feel better if you tell the "
              "truth|You can say that you are sorry].>");
  story.Say(
      "[at last,|so] {h} went to {p}. <h-:[I broke the {thing}. I am sorry.|I am sorry. I broke your "
      "{thing}, and I did not tell the truth.|It was me. I broke the {thing}.]>|[at last,|then] {h} got the "
      "pieces and showed them to {p}. <h.he-:I am [so |very |]sorry.>");
  story.Say(
      "{p} [was not mad|looked at {h} for a long time|hugged {h.him}]. <p:[Thank you for telling the truth|I "
      "am glad that you told me the truth|A {thing} is only a {thing}. The truth is more important].>");
  story.Say(
      "they [picked up the pieces|fixed the {thing} with glue|got a new {thing}] together[, and {h} felt "
      "much better|].|{h} used {h.his} own coins to buy a new {thing}. {p} was [very |so |]proud of "
      "{h.him}.");
  story.Maybe(40,
              "after that, {h} always played [in the yard|in the garden].|{h} never played [with a ball |]in "
              "the house again.");
  Moral(story,
        "[it is best to tell the truth|the truth makes you feel better|it is okay to make a mistake if you "
        "say sorry]");
}

}  // namespace stories
