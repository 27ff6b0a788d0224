// Room: converter/commands. What a command takes on its command line. CLI11 reads it, behind flags.cc: its
// headers take longer to compile than most commands.
#ifndef CLLM_CONVERTER_COMMANDS_FLAGS_H_
#define CLLM_CONVERTER_COMMANDS_FLAGS_H_

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cllm {

// Wrong usage: the program says it, names the command's --help, and ends with 2.
class UsageError : public std::runtime_error {
 public:
  UsageError(const std::string& flag, const std::string& what) : std::runtime_error(flag + ": " + what) {}
  static UsageError Missing(const std::string& flag) { return UsageError(flag + " is required"); }

 private:
  explicit UsageError(const std::string& what) : std::runtime_error(what) {}
};

// One option, flag or positional argument. Each call changes it and returns it.
class Flag {
 public:
  explicit Flag(CLI::Option* option) : option_(option) {}

  Flag& Required(bool required = true);
  Flag& Kind(const std::string& kind);      // of its value, in the help text: "FILE"; "" for positional ones
  Flag& Default(const std::string& words);  // in the help text
  Flag& NotWith(const Flag& other);         // giving both is wrong usage
  Flag& List(const std::vector<std::string>& choices);                  // apart by commas, each one of these
  Flag& Check(std::function<std::string(const std::string&)> problem);  // "" or what is wrong with a value
  Flag& Once();                                                         // of a vector: takes one value
  Flag& Hidden();                                                       // not in the help text

 private:
  CLI::Option* option_;
};

// The command line of a command; a handle, which is copied freely. Values must outlive the parse. Names are
// "--data", "-o,--output", or "MODEL" for a positional argument.
class Flags {
 public:
  explicit Flags(CLI::App* app) : app_(app) {}

  Flag Add(const std::string& name, std::string* value, const std::string& description);
  Flag Add(const std::string& name, std::vector<std::string>* values, const std::string& description);
  Flag Add(const std::string& name, bool* value, const std::string& description);  // takes no value
  // `parse` takes the text of a value, and may throw UsageError.
  Flag AddParsed(const std::string& name, std::function<void(const std::string&)> parse,
                 const std::string& description);
  Flag AddSwitch(const std::string& name, std::function<void()> given, const std::string& description);

  Flags AddCommand(const std::string& name, const std::string& summary);
  void RequireCommand();
  void SetFooter(const std::string& text);

  // After the parse: whether this command was called; whether an option was given; the names of all that
  // were.
  bool called() const;
  bool given(const std::string& name) const;
  std::vector<std::string> all_given() const;

 private:
  CLI::App* app_;
};

// The whole program's command line.
class Program {
 public:
  Program(const std::string& name, const std::string& summary, const std::string& version,
          const std::string& footer);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Flags flags();

  // Reads the command line and calls `run`. Returns what that returns; or 0 after --help and --version, whose
  // text goes to stdout; or `wrong_usage` where the command line, or `run` by a UsageError, says so on
  // stderr.
  int Parse(int argc, char** argv, int wrong_usage, const std::function<int()>& run);

  // "cllm train", "cllm tokenizer encode": the command that was called, for messages.
  std::string called() const;

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_FLAGS_H_
