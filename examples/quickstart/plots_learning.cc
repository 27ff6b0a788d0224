// Plots about learning: fear, practice, a rainy day, a seed that takes its time.
#include "examples/quickstart/story.h"

namespace stories {

void Fear(Story& story) {
  const uint32_t kind = story.random().Below(4);
  if (kind == 0) {
    story.Set("fear", "the dark");
    story.Set("wish", "[sleep in {h.his} own bed|sleep in a tent|look at the stars]");
    story.Set("day", "one night");
    story.Set("sign", "[heard a strange sound|saw a big shadow]");
    story.Set("truth", "[the sound was only the wind|it was only a cat|it was only a tree near the window]");
    story.Set("help",
              "[The dark cannot hurt you|There is nothing in the dark that is not there in the day|The stars "
              "are there to watch over you]");
    story.Set("tool", "[a small light|a soft teddy bear|a little lamp]");
    story.Set("end", "[slept well|slept all night|went to sleep with a smile]");
  } else if (kind == 1) {
    story.Set("fear", "the water");
    story.Set("wish", "[swim in the lake|play in the river|swim with {h.his} friends]");
    story.Set("sign", "[felt the cold water|saw how deep it was]");
    story.Set("truth", "[the water was warm and nice|the water was not so deep|the water held {h.him} up]");
    story.Set("help", "[Just put in one foot at a time|We will go in very slowly|I will hold your hand]");
    story.Set("tool", "[a big ring|a red ring]");
    story.Set("end", "[swam like a fish|played in the water all day|laughed and splashed in the water]");
  } else if (kind == 2) {
    story.Set("fear", "the big slide");
    story.Set("wish", "[go down the slide|play on the slide with the others]");
    story.Set("sign", "[looked down from the top|saw how high it was]");
    story.Set("truth", "[it was not so high at all|it was fun to go so fast|the slide was safe]");
    story.Set("help",
              "[Look at me and not at the ground|I will wait for you at the bottom|We can go down together]");
    story.Set("tool", "[a soft mat|a soft blanket]");
    story.Set("end", "[went down again and again|went down ten times|laughed all the way down]");
  } else {
    story.Set("fear", "the big dog");
    story.Set("wish", "[walk to school|play in the yard|go to the shop] near the house of the dog");
    story.Set("sign", "[heard the dog bark|saw its big teeth]");
    story.Set("truth", "[the dog only wanted to play|the dog was kind|the dog was only lonely]");
    story.Set("help",
              "[Hold out your hand and let the dog smell it|Walk slowly and speak in a soft voice|The dog is "
              "scared of you too]");
    story.Set("tool", "[a bone|a small ball|some meat]");
    story.Set("end", "[played with the dog every day|had a new friend|was never scared of the dog again]");
  }
  story.Say(
      "{h} [was a happy {h.kind}, but {h.he} was|was very|was] [afraid|scared] of {fear}.|there was one "
      "thing that {h} did not like. {h.he} was [afraid|scared] of {fear}.");
  story.Say("{h.he} wanted to {wish}, but {h.he} was too [afraid|scared].|{day}, {h} wanted to {wish}.");
  story.Say(
      "{h} tried [once|to be brave]. but then {h.he} {sign} and [ran away|ran home|ran back to {p}].|{h.he} "
      "[closed {h.his} eyes and tried|took a big breath and tried]. but {h.he} {sign}. <h.he-:[I cannot do "
      "it!|I am too scared!]>");
  story.Maybe(50,
              "the next day, {h} tried again. but {h.his} [legs began to shake|heart beat fast], and {h.he} "
              "[gave up|stopped].|{h} felt bad. <h.he-:Everyone is brave but me.>");
  if (story.random().Chance(50)) {
    story.Say(
        "{p} [saw this|sat down next to {h.him}]. <p:[What is wrong, {h.call}?|Why are you sad, {h.call}?]> "
        "<h-:I am [scared|afraid] of {fear}.>");
    story.Say(
        "<p:[It is okay to be scared.|I was scared of it too when I was small.|] {help}.> [then {p.he} gave "
        "{h.him} {tool}.|]");
  } else {
    story.Say(
        "{f} [saw this|came to help]. <f:[Are you scared, {h.call}?|What is wrong, {h.call}?]> <h-:Yes, I am "
        "[scared|afraid] of {fear}.>");
    story.Say(
        "<f:[It is okay. I was scared too.|Do not worry. I will stay with you.|] {help}.> [then {f} gave "
        "{h.him} {tool}.|]");
  }
  story.Say(
      "{h} [took a big breath|thought about this|felt a little better] and tried [again|one more time]. "
      "[{h.he} was still a little scared, but {h.he} did not run.|{h.he} counted to three.|]");
  story.Say("[soon|then|and then] {h.he} [saw|found out] that {truth}!");
  story.Say(
      "<h.he+:[I did it!|I am not scared any more!|Look at me! I am brave!]>|{h} [laughed|smiled]. [<h.he:It "
      "was not so bad!>|{h.he} was so proud.]");
  story.Say(
      "from then on, {h} was not [afraid|scared] of {fear}. {h.he} {end}.|{h} {end}.|after that, {h} {end}.");
  Moral(story,
        "[it is okay to be scared|being brave means to try when you are scared|things look less scary when a "
        "friend is near]");
}

void Practice(Story& story) {
  const uint32_t kind = story.random().Below(4);
  if (kind == 0) {
    story.Set("skill", "ride a bike");
    story.Set("fail", "[fell off|hit a tree]");
    story.Set("fail2", "fell in the mud");
    story.Set("tip",
              "[Look ahead, not at your feet|Go a little faster and you will not fall|I will hold the bike "
              "until you are ready]");
    story.Set("win", "[rode all the way down the road|rode around the park|rode past the house and back]");
  } else if (kind == 1) {
    story.Set("skill", "swim");
    story.Set("fail", "[got water in {h.his} nose|went under]");
    story.Set("fail2", "swallowed some water");
    story.Set("tip",
              "[Kick your legs and do not stop|Breathe slowly and kick your legs|Lie on your back and look "
              "at the sky]");
    story.Set("win", "[swam to the other side|swam all around the pond|swam like a fish]");
  } else if (kind == 2) {
    story.Set("skill", "sing");
    story.Set("fail", "[made a funny sound|forgot the words]");
    story.Set("fail2", "sang too loud");
    story.Set("tip",
              "[Listen first, and then sing softly|Take a deep breath and sing slowly|Sing about something "
              "that you love]");
    story.Set("win", "[sang a pretty song for everyone|sang the whole song|sang like a bird]");
  } else {
    story.Set("skill", "paint");
    story.Set("fail", "[spilled the paint|made a big mess]");
    story.Set("fail2", "used too much water");
    story.Set("tip",
              "[Start with one small line|Look at a flower before you paint it|Take your time and use just "
              "one color]");
    story.Set("win", "[painted a pretty flower|painted a picture of {p}|painted the sun and the sea]");
  }
  story.Say(
      "more than anything, {h} wanted to {skill}. [but {h.he} did not know how.|]|{h} had a [dream|wish]. "
      "{h.he} wanted to learn to {skill}.|{day}, {h} saw {f}, who could {skill} very well. <h:I want to "
      "{skill} too!>");
  story.Say("so {h} tried for the first time. but {h.he} {fail}.|the first time {h} tried, {h.he} {fail}.");
  story.Say(
      "{h.he} tried again, but [it was no better|it was too hard|it did not work].|the second time, {h.he} "
      "{fail2}.|the next day, {h} tried again. [it was still too hard.|this time, {h.he} {fail2}.]");
  story.Say(
      "<h-:[I will never learn to {skill}!|I cannot do it.|It is too hard for me.]>|{h} [was sad|felt sad] "
      "and wanted to give up.");
  if (story.random().Chance(50)) {
    story.Say(
        "{p} [sat down next to {h.him}|heard this]. <p:[When I was small, I could not {skill}.|You are still "
        "learning.|Do not give up, {h.call}.] {tip}.>");
  } else {
    story.Say(
        "{f} [came by|came to help|saw this]. <f:[It was hard for me too.|Do not give up, {h.call}.|I can "
        "show you.] {tip}.>");
  }
  story.Say(
      "{h} [listened|nodded] and tried [again|one more time]. [it was a little better.|this time it was "
      "better.]|so {h} [tried again|did not give up].");
  story.Maybe(70,
              "[{h} practiced every day.|every day, {h} practiced|day after day, {h} practiced] [when the "
              "sun came up.|after lunch.|for a long time.]");
  story.Say(
      "[then, |]one day, [it worked!|something wonderful happened.] {h} {win}!|at last, {h} could {skill}! "
      "{h.he} {win}.");
  story.Say("<h+:[I did it! I did it!|Look at me! I can {skill}!|Look! I can do it!]>");
  story.Say(
      "{p} [clapped|smiled] and hugged {h.him}. <p+:[I am so proud of you!|I knew you could do it!]>|{f} "
      "[clapped and cheered|was so happy for {h.him}].");
  Moral(story,
        "[you must try again and again to learn something new|if you do not give up, you can do it|it is "
        "okay to fail when you learn]");
}

void RainyDay(Story& story) {
  story.Set("plan",
            "[have a picnic in the park|fly a kite on the hill|play in the garden|go to the beach|swim in "
            "the lake]");
  story.Set("inside", "[tent|boat|castle|train|little house]");
  story.Set("made", "[blankets|chairs and blankets|old boxes|pillows]");
  story.Say("{day}, {h} wanted to {plan} with {f}.|{h} and {f} had a plan. they wanted to {plan}.");
  story.Say(
      "{h} [got everything ready|was very excited|could not wait|ran to the door]. but [then the sky went "
      "dark|dark clouds came|the sun went away], and it began to rain.|but when {h} looked out the window, "
      "it [was raining|rained and rained].");
  story.Say(
      "<h-:[Oh no! Now we cannot go out.|I do not like the rain!|Why does it have to rain today?]>|{h} was "
      "[very sad|mad at the rain|so sad that {h.he} began to cry].");
  story.Say(
      "{h} sat by the window and waited, but the rain did not stop.|{h.he} [told the rain to stop|sang a "
      "song to the sun|waited and waited], but it rained [more and more|all morning].");
  story.Maybe(50, "{f} wanted to go out, but [came back all wet|{p} said no|it was too cold].");
  story.Say(
      "then {p} [had an idea|came in with a smile]. <p+:[We can have fun inside too.|The rain is good for "
      "the flowers, and we can play inside.] Let us make a {inside} out of {made}!>|then {f} had an idea. "
      "<f+:[I know!|Do not be sad.] Let us make a {inside} out of {made}!>");
  story.Say(
      "they worked together and made a big {inside} [in the kitchen|in the living room|next to the bed].|so "
      "they made a {inside}. [it was big.|it was the best {inside} in the world.]");
  story.Maybe(60,
              "they [ate cookies|drank warm milk|had a picnic|sang songs|told stories] in the {inside}.|{h} "
              "was the [king|captain|boss] of the {inside}, and {f} was the [cook|guard].");
  story.Say(
      "<h+:[This is so much fun!|I love the rain now!|This is better than a day in the sun!]>|{h} forgot all "
      "about the rain. {h.he} [laughed and laughed|had so much fun].");
  story.Say(
      "[at last,|after lunch,|then] the rain stopped and the sun came out. [there was a big rainbow in the "
      "sky.|everything was wet and shiny.]|when they looked out, there was a big rainbow in the sky.");
  story.Say(
      "now they could go out. [{h} and {f} ran out and had fun until dark.|but {h} and {f} wanted to stay in "
      "the {inside}!|it was the best day ever.]|{h} and {f} [ran out and jumped in the puddles|ran out to "
      "look at the rainbow]. [it was the best day ever.|]");
  Moral(story,
        "[you can have fun on a rainy day|when a plan does not work, you can make a new one|every day can be "
        "a good day]");
}

void Seed(Story& story) {
  story.Set("plant", "[flower|pumpkin|apple tree|rose]");
  story.Say(
      "{day}, {p} gave {h} a [small|tiny|little] seed. <p:[If you take care of it, it will be a "
      "{plant}.|This seed can grow into a big {plant}.]>|{day}, {h} found a [small|tiny|little] seed [in the "
      "garden|on the ground|near the road]. <h:I wish that it would grow into a {plant}!>");
  story.Say(
      "{h} [made a hole in the ground|dug a small hole in the garden] and put the seed in. [then {h.he} gave "
      "it water.|]|{h} put the seed in the ground[ and gave it water|].");
  story.Say(
      "{h} waited[ and waited|]. [one day went by.|two days went by.|a week went by.] but nothing [came "
      "up|happened].|the next day, {h} ran to look. but there was nothing. [and the next day, there was "
      "nothing too.|]");
  story.Say(
      "<h-:[Why does my seed not grow?|Grow, little seed, grow!|I do not think it will ever grow.]>|{h} was "
      "[sad|mad]. [{h.he} wanted to dig it up.|]");
  story.Maybe(50,
              "{h} [sang to the seed|danced around the seed|told the seed a story], but [it did not "
              "help|nothing came up].");
  story.Set("tip",
            "[a seed needs water, sun and time|you have to wait, and give it water every day|good things "
            "take time]");
  if (story.random().Chance(50)) {
    story.Say("{p} [smiled|saw this]. <p:[Do not worry, {h.call}.|Be patient.|] {tip}.>");
  } else {
    story.Say(
        "{f} came by. <f:[What is wrong, {h.call}?|Why do you look so sad?]> <h-:My seed does not grow.> "
        "<f:{tip}.>");
  }
  story.Say(
      "so {h} gave it water every [day|morning] and [did not give up|waited].|every [day|morning], {h} gave "
      "the seed water and [sat next to it in the sun|pulled out the weeds].");
  story.Say(
      "[then,|at last,] one [day|morning], a [small|tiny] green leaf came out of the ground. <h+:[Look! It "
      "is growing!|My seed is growing!|Come and look!]>");
  story.Say(
      "it grew [and grew|bigger and bigger|every day], [and|until] [one day|at last] it was a "
      "[big|beautiful|tall] {plant}.|[soon|after some time] there was a [big|beautiful|tall] {plant} in the "
      "garden.");
  story.Say(
      "{h} [was very proud|danced with joy]. [<h+:I made it grow!>|{p} was proud too.|]|{h} showed it to "
      "[everyone|{p}]. <p+:[You did so well!|It is beautiful, {h.call}!]>");
  story.Maybe(60, "then {h} gave a new seed to [{f}. now {f.he} could grow one too.|{p}.]");
  Moral(story, "[good things take time|if you wait and work, good things will come|you should be patient]");
}

}  // namespace stories
