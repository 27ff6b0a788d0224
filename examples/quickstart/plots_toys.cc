// Plots about a toy: lost, out of reach, not shared, given up for a friend.
#include "examples/quickstart/story.h"

namespace stories {

void LostToy(Story& story) {
  Toy(story);
  // Each place and find belongs to one step, so that no step can repeat another.
  story.Set("first", "[under the bed|behind the door|in the big box|under the table]");
  story.Set("second", "[in the tall grass|behind the old tree|next to the fence]");
  story.Set("third", "[under a bush|behind the big rock|under the stairs]");
  story.Set("find1", "[an old shoe|some dust|a sleepy cat|a small bug]");
  story.Set("find2", "[a wet leaf|a broken cup|an empty bag|a green frog]");
  story.Say(
      "{h} had a {toy}. [{h.he} loved it very much.|{h.he} played with it every day.|it was {h.his} favorite "
      "toy.|{p} had given it to {h.him}.]|{h.his} favorite toy was a {toy}. [{h.he} took it "
      "everywhere.|{h.he} never went to bed without it.]|more than anything, {h} loved {h.his} {toy}. [it "
      "was a gift from {p}.|{h.he} took it everywhere.]");
  story.Say(
      "{day}, {h} wanted to play with the {noun}, but it was [gone|not there|lost].|{day}, {h} woke up and "
      "could not find the {noun}.|but {day}, the {noun} was gone. {h} [looked and looked|did not know where "
      "it was].|{day}, {h} came home and the {noun} was not in its place.");
  story.Say(
      "[{h} was very sad.|{h} felt like crying.|a tear ran down {h.his} face.|{h} was worried.] "
      "[<h.he-:Where is my {noun}?>|<h.he-:Oh no! I lost my {noun}!>|<h.he-:I want my {noun} back.>|]");
  story.Say(
      "[first, |]{h.he} looked {first}, but [there was only {find1}|all {h.he} found was {find1}|it was not "
      "there].|{h} [ran to look|looked] {first}. [there was {find1}, but no {noun}.|the {noun} was not "
      "there.]");
  story.Maybe(70,
              "then {h.he} looked {second}. [no {noun}!|it was not there.|{h.he} found only {find2}.]|after "
              "that, {h.he} looked {second}, but [found only {find2}|there was no {noun}].");
  story.Say(
      "[then|just then,|soon,] {f} came by. <f:[What is wrong|Why are you sad|What are you looking for], "
      "{h.call}?> <h-:[I cannot find my {noun}|My {noun} is lost|I lost my {noun}].>|{h} [went to|ran "
      "to|asked] {f} for help. <h-:[I lost my {noun}. Can you help me?|Can you help me find my {noun}?]>|{f} "
      "saw that {h} was sad. <f:[Do not cry, {h.call}. What is wrong?|Can I help you, {h.call}?]> <h-:My "
      "{noun} is gone!>");
  story.Say(
      "<f:[Do not worry. Let us look together.|I will help you find it.|Two can look better than one.|Let us "
      "think. Where did you play with it last?]>");
  story.Say(
      "they looked [high and low|everywhere|all around|for a long time]. [at last,|then|suddenly,] {f} "
      "looked {third}. <f+:[Look! Here it is!|I found it!|Come here, {h.call}! I see it!]>|together they "
      "looked {third}, and there [it was|was the {noun}]!|{f} had an idea and looked {third}. [and there was "
      "the {noun}!|<f+:I found your {noun}!>]");
  Joy(story);
  Thanks(story);
  story.Maybe(60,
              "then they played with the {noun} [together|until the sun went down|all day long].|that night, "
              "{h} [went to bed with|slept next to] the {noun}.|{h} put the {noun} in a safe place [that "
              "night|so it would not get lost again].");
  Moral(story,
        "[a good friend helps you look|it is good to ask for help|it is best to put {h.his} toys "
        "away|friends can help when you are sad]");
}

void OutOfReach(Story& story) {
  story.Set("where", "[in the park|in the garden|on the hill|in the yard|near the farm|in the meadow]");
  story.Set("noun", "[kite|hat|ball|balloon|toy plane]");
  story.Set("toy", "[big|little|new|pretty|shiny|] [red|blue|green|yellow|pink] {noun}");
  story.Set("high", "[up in a tall tree|on the roof|on a high branch|on top of a high wall]");
  story.Say(
      "{day}, {h} was playing with {h.his} {toy} {where}.|{day}, {h} took {h.his} {toy} and went out to play "
      "{where}.|{h} had a {toy}. {day}, {h.he} played with it {where}.");
  story.Say(
      "[suddenly,|then] [a strong wind came|the wind blew hard] and the {noun} [flew away|went up, up, up]. "
      "it got stuck {high}.|but the {noun} flew too high and got stuck {high}.|{h} threw the {noun} too "
      "high, and it [landed|got stuck] {high}.");
  story.Maybe(60,
              "<h-:Oh no! My {noun}!>|<h-:Oh no! How can I get my {noun} down?>|{h} looked up and felt sad.");
  story.Say(
      "{h} jumped as high as {h.he} could, but [it was too high|{h.he} could not reach it].|{h} tried to "
      "climb up, but {h.he} [slipped and fell down|was too small|was too scared].|{h} stood on a box, but "
      "[the box was too small|{h.he} still could not reach it].");
  story.Maybe(75,
              "then {h.he} [threw a stick at it|threw a small stone at it], but [it did not move|it stayed "
              "there].|then {h.he} called to the wind, but the wind did not [help|listen].|then {h.he} used "
              "a long stick, but [it broke|it was not long enough].");
  story.Maybe(
      50,
      "{h} sat down [and cried|on the grass and felt sad].|{h} [did not know what to do|wanted to give up].");
  if (story.random().Chance(50)) {
    story.Set("who", "[squirrel|bird]");
    story.SetCharacter('f', {"the " + story.Get("who"), "little " + story.Get("who"), story.Get("who"),
                             story.random().Chance(50), false});
    story.Say(
        "a [little|kind|brown] {f.kind} [saw {h}|heard {h}|came by]. <f:[Why are you sad|Can I help you|What "
        "is wrong], little one?>");
    story.Say("<h-:My {noun} is stuck up there. [I cannot reach it.|Can you help me?|]>");
    story.Say(
        "<f+:[That is easy for me.|I can go up there.|I am good at going up high.|Wait here. I will get "
        "it.]> {f} went up [very fast|quickly|high] and [pushed the {noun} down|pulled the {noun} free|gave "
        "the {noun} a push].");
  } else {
    story.Say(
        "[just then,|then] {f} came by and saw {h}. <f:[What is wrong|Why are you sad|Can I help you], "
        "{h.call}?> <h-:My {noun} is stuck up there.>|{h} ran to {f} and told {f.him} about the {noun}.");
    story.Say(
        "<f+:[I have an idea!|I know what to do!|I can help!] [We can do it together.|Let us get a ladder.]> "
        "[they worked together|they tried together|they tried again], and [this time|at last] {h} [reached "
        "the {noun}|got the {noun} down].");
  }
  story.Maybe(
      60,
      "the {noun} [fell down|came down] [into the hands of {h}|right next to {h}].|{h} had the {noun} back.");
  Joy(story);
  Thanks(story);
  story.Maybe(60,
              "they played with the {noun} together [all day|until it was dark|and had a lot of fun].|then "
              "{h} and {f} [played together|were friends from then on].");
  Moral(
      story,
      "[it is good to ask for help|when you cannot do it alone, a friend can help|you should never give up]");
}

void Sharing(Story& story) {
  Toy(story);
  story.Set("where", "[in the park|in the garden|on the hill|in the yard|near the lake|at school]");
  story.Say(
      "{day}, {p} gave {h} a {toy}. [{h} loved it.|{h} was very happy.|<h+:Thank you! It is so pretty!>]|{h} "
      "had a {toy}. [it was {h.his} favorite toy.|{h.he} loved it very much.]|{day}, {h} found a {toy} under "
      "a tree. [it was the best toy in the world.|{h.he} was so happy.]");
  story.Say(
      "{h} [took it out to play|went out to play with it] {where}.|{h.he} played with the {noun} {where}.");
  story.Say(
      "{f} [came by|saw the {noun}|wanted to play too]. <f:[Can I play with your {noun}|May I play with it "
      "too|What a pretty {noun}. Can I try it|Will you share it with me], {h.call}?>");
  story.Say(
      "<h:[No!|No! It is mine!|No, it is my {noun}.|I do not want to share.|This is mine. Go away!]> [{h} "
      "held the {noun} tight.|{h} turned away.|]|but {h} did not want to share. <h:[It is mine!|No! You will "
      "break it.]>");
  story.Say(
      "{f} [was sad|felt sad|began to cry] and [went away|walked home|sat under a tree all alone].|{f} "
      "looked down and [walked away|went home]. [{f.he} was very sad.|]");
  story.Say(
      "{h} played [alone|all alone|with the {noun} alone]. but it was [not fun|not much fun|boring] [without "
      "{f}|to play alone].|now {h} had the {noun}, but {h.he} had no one to play with. {h.he} [felt "
      "lonely|was not happy].");
  story.Maybe(65,
              "{p} [came by and |]saw {h}. <p:[Why are you so sad?|Where is your friend?]> <h-:[I did not "
              "share my {noun}, and {f} went away.|{f} is sad because I did not share.]> <p:[It is more fun "
              "to share.|You can go and say sorry.|A friend is better than a {noun}.]>|{h} thought about "
              "{f}. <h.he-:I was not [kind|nice|a good friend].>");
  story.Say(
      "[so |then ]{h} [ran to|went to|looked for] {f}. <h-:I am sorry, {f.call}. [Do you want to play with "
      "my {noun}?|We can share the {noun}.|You can play with it first.]>");
  story.Say(
      "<f+:[Yes! Thank you!|It is okay. Let us play!|Thank you, {h.call}!]>|{f} [smiled|stopped crying] and "
      "[took the {noun}|hugged {h}].");
  story.Say(
      "they took turns with the {noun}[ and had a lot of fun| all day|]. [first {f}, then {h}.|]|{h} and {f} "
      "played together [until the sun went down|all day|and laughed a lot]. [it was much more fun.|]");
  Moral(story,
        "[sharing is fun|it is more fun to share|a friend is better than any toy|toys are more fun with a "
        "friend]");
}

void Coins(Story& story) {
  Toy(story);
  story.Say(
      "{h} wanted to buy a {toy}. [every day, {h.he} saw it in the shop.|{h.he} had seen it in the shop in "
      "town.]|in the shop there was a {toy}. {h} wanted it [very much|more than anything].");
  story.Set(
      "job",
      "[wash the dishes|feed the chickens|pick the apples|sweep the floor|carry the wood|water the plants]");
  story.Say(
      "but {h} had no [money|coins]. so {h.he} helped {p} {job}, and {p} gave {h.him} [three|four|five|ten] "
      "[shiny |]coins.|<p:If you help me {job}, I will give you some coins.> {h} worked [hard|all day] and "
      "got [three|four|five|ten] coins.");
  story.Say("{day}, {h} [went|walked|ran] to the shop [with the coins in {h.his} hand|with {h.his} coins].");
  story.Say("on the way, {h.he} [saw|met] {f}. {f} was [crying|sitting on the ground|very sad].");
  story.Say("<h:[What is wrong|Why are you crying|Why are you so sad], {f.call}?>");
  story.Set("loss", "[bread|milk|medicine|soup]");
  story.Say(
      "<f-:[I lost my coins|I lost my money|My coins fell in the river]. Now I cannot buy {loss} for my "
      "[family|little sister|little brother|grandma].>");
  story.Say(
      "{h} looked at the coins. {h.he} thought about the {noun}. [then {h.he} thought about {f}.|it was "
      "hard.]|{h} wanted the {noun} so much. but {f} [was so sad|needed help].");
  story.Say(
      "<h:[Here, take my coins|You can have my coins|Please take these coins]. You need them more than I "
      "do.>|{h} gave {h.his} coins to {f}. [<h:You need them more than I do.>|]");
  story.Say(
      "{f} [hugged {h}|smiled|stopped crying]. <f:[Thank you, {h.call}! You are so kind!|I will never forget "
      "this!]>");
  story.Say(
      "{h} went home without the {noun}, but {h.he} [felt warm inside|was not sad|felt good].|{h} had no "
      "coins and no {noun} now. but {h.he} felt [happy|good].");
  story.Say(
      "the next day, [there was a knock at the door. it was {f} with|{f} came to see {h} and had] a [big "
      "box|gift]. [in the box|inside] was the {noun}!|{p} heard [about it|what {h} did] and [was very "
      "proud|smiled]. the next day, {p.he} gave {h} a [big box|gift]. inside was the {noun}!");
  story.Say(
      "<h+:[My {noun}! Thank you!|The {noun}! Thank you so much!]> [{h} and {f} played with it all day.|{h} "
      "was so happy.|]");
  Moral(story, "[it is good to be kind|kind acts come back to you|helping a friend is better than any toy]");
}

}  // namespace stories
