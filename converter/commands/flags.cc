#include "converter/commands/flags.h"

#include <iostream>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"

namespace cllm {

Flag& Flag::Required(bool required) { return option_->required(required), *this; }
Flag& Flag::Kind(const std::string& kind) { return option_->type_name(kind), *this; }
Flag& Flag::Default(const std::string& words) { return option_->default_str(words), *this; }
Flag& Flag::NotWith(const Flag& other) { return option_->excludes(other.option_), *this; }
Flag& Flag::Once() { return option_->expected(1), *this; }
Flag& Flag::Hidden() { return option_->group(""), *this; }

Flag& Flag::List(const std::vector<std::string>& choices) {
  option_->delimiter(',')->check(CLI::IsMember(choices));
  return *this;
}

Flag& Flag::Check(std::function<std::string(const std::string&)> problem) {
  option_->check(std::move(problem));
  return *this;
}

Flag Flags::Add(const std::string& name, std::string* value, const std::string& description) {
  return Flag(app_->add_option(name, *value, description));
}

Flag Flags::Add(const std::string& name, std::vector<std::string>* values, const std::string& description) {
  return Flag(app_->add_option(name, *values, description));
}

Flag Flags::Add(const std::string& name, bool* value, const std::string& description) {
  return Flag(app_->add_flag(name, *value, description));
}

Flag Flags::AddParsed(const std::string& name, std::function<void(const std::string&)> parse,
                      const std::string& description) {
  return Flag(app_->add_option_function<std::string>(name, std::move(parse), description));
}

Flag Flags::AddSwitch(const std::string& name, std::function<void()> given, const std::string& description) {
  return Flag(app_->add_flag_callback(name, std::move(given), description));
}

Flags Flags::AddCommand(const std::string& name, const std::string& summary) {
  return Flags(app_->add_subcommand(name, summary));
}

void Flags::RequireCommand() { app_->require_subcommand(1); }
void Flags::SetFooter(const std::string& text) { app_->footer(text); }
bool Flags::called() const { return app_->parsed(); }
bool Flags::given(const std::string& name) const { return app_->count(name) != 0; }

std::vector<std::string> Flags::all_given() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : std::as_const(*app_).get_options()) {
    if (option->count() != 0) names.push_back(option->get_name());
  }
  return names;
}

Program::Program(const std::string& name, const std::string& summary, const std::string& version,
                 const std::string& footer)
    : app_(std::make_unique<CLI::App>(summary, name)) {
  app_->set_version_flag("--version", version, "prints the version");
  app_->get_formatter()->column_width(28);
  app_->get_formatter()->label("REQUIRED", "(required)");
  app_->get_formatter()->label("SUBCOMMAND", "COMMAND");
  app_->get_formatter()->label("Excludes", ", not with");
  app_->require_subcommand(0, 1);
  app_->footer(footer);
}

Program::~Program() = default;

Flags Program::flags() { return Flags(app_.get()); }

std::string Program::called() const {
  const CLI::App* app = app_.get();
  std::string called = app->get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    called += " " + app->get_name();
  }
  return called;
}

int Program::Parse(int argc, char** argv, int wrong_usage, const std::function<int()>& run) {
  const auto report = [&](const std::exception& error) {
    std::cerr << called() << ": " << error.what() << "\nRun '" << called() << " --help' for what it takes.\n";
    return wrong_usage;
  };
  try {
    app_->parse(argc, argv);
    return run();
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app_->exit(error, std::cout, std::cerr) : report(error);
  } catch (const UsageError& error) {
    return report(error);
  }
}

}  // namespace cllm
