#include "examples/finetune/commands.h"

#include <array>
#include <cstddef>

namespace home {
namespace {

constexpr std::array kRooms = {"kitchen", "bedroom", "bathroom", "living room", "hall",     "office",
                               "garage",  "garden",  "cellar",   "balcony",     "nursery",  "pantry",
                               "library", "studio",  "terrace",  "porch",       "laundry",  "stairs",
                               "shed",    "lounge",  "den",      "lobby",       "playroom", "patio"};
constexpr std::array kDevices = {
    "lamp",      "heater",     "fan",       "radio",   "blinds", "kettle",  "television", "door",
    "oven",      "window",     "curtain",   "speaker", "camera", "alarm",   "boiler",     "mixer",
    "freezer",   "printer",    "sprinkler", "gate",    "vacuum", "dryer",   "washer",     "clock",
    "projector", "humidifier", "mirror",    "stove",   "pump",   "shutter", "doorbell",   "candle"};
constexpr std::array kNewRooms = {"sauna", "attic", "workshop", "treehouse"};
constexpr std::array kNewDevices = {"fountain", "toaster", "record player", "greenhouse roof"};

// %d: the device, %r: the room, %n: a number.
struct Action {
  const char* intent;
  std::array<const char*, 4> said;
};
constexpr std::array<Action, 5> kActions = {{
    {"on", {"turn on the %d in the %r", "switch the %d in the %r on", "%r %d on", "start the %d in the %r"}},
    {"off",
     {"turn off the %d in the %r", "switch the %d in the %r off", "%r %d off", "stop the %d in the %r"}},
    {"set", {"set the %d in the %r to %n", "%r %d to %n", "put the %d in the %r at %n", "make the %r %d %n"}},
    {"ask",
     {"is the %d in the %r on", "what is the %d in the %r doing", "check the %d in the %r", "%r %d status"}},
    {"later",
     {"turn on the %d in the %r in %n minutes", "in %n minutes start the %d in the %r",
      "%r %d on after %n minutes", "wait %n minutes then switch on the %d in the %r"}},
}};
constexpr std::array kBefore = {"", "", "please ", "could you ", "hey ", "now ", "i would like you to "};
constexpr std::array kAfter = {"", "", " please", " thanks", " for me", " right away"};

// SplitMix64 over a counter.
class Draws {
 public:
  explicit Draws(uint64_t start) : state_(start) {}
  size_t Below(size_t bound) {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return static_cast<size_t>((x ^ (x >> 31)) % bound);
  }
  template <size_t kCount, class T>
  const T& From(const std::array<T, kCount>& choices) {
    return choices[Below(kCount)];
  }

 private:
  uint64_t state_;
};

std::string Fill(const std::string& pattern, const std::string& device, const std::string& room,
                 const std::string& number) {
  std::string said;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      said += pattern[i];
      continue;
    }
    ++i;
    said += pattern[i] == 'd' ? device : pattern[i] == 'r' ? room : number;
  }
  return said;
}

}  // namespace

Command MakeCommand(Names names, uint64_t seed, uint64_t number) {
  Draws draws(seed * 0xD1B54A32D192ED03u + number * 0x8CB92BA72F3D8DD7u);
  const Action& action = draws.From(kActions);
  std::string room = draws.From(kRooms), device = draws.From(kDevices);
  if (names == Names::kHousehold) {
    const size_t which = draws.Below(3);
    if (which != 0) room = draws.From(kNewRooms);
    if (which != 1) device = draws.From(kNewDevices);
  }
  const std::string value = std::to_string(1 + draws.Below(9));
  const std::string pattern = draws.From(action.said);
  std::string said = draws.From(kBefore) + Fill(pattern, device, room, value) + draws.From(kAfter);
  std::string intent =
      std::string("{\"do\":\"") + action.intent + "\",\"what\":\"" + device + "\",\"where\":\"" + room + "\"";
  if (pattern.find("%n") != std::string::npos) intent += ",\"n\":" + value;
  return {said + " =>", intent + "}"};
}

}  // namespace home
