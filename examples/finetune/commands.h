// What people say to their home, and the JSON that they mean by it; one line each:
//   could you set the lamp in the kitchen to 4 please =>{"do":"set","what":"lamp","where":"kitchen","n":4}
#ifndef CLLM_EXAMPLES_FINETUNE_COMMANDS_H_
#define CLLM_EXAMPLES_FINETUNE_COMMANDS_H_

#include <cstdint>
#include <string>

namespace home {

// kFactory: rooms and devices that the model was made for. kHousehold: a room or a device, or both, that only
// this household has.
enum class Names { kFactory, kHousehold };

struct Command {
  std::string said;    // ends with "=>"
  std::string intent;  // JSON
};

// Command `number` of a seed: the same on every machine.
Command MakeCommand(Names names, uint64_t seed, uint64_t number);

}  // namespace home

#endif  // CLLM_EXAMPLES_FINETUNE_COMMANDS_H_
