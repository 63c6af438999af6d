// Lines from a person: editing and history on a terminal, plain lines from anything else.
#pragma once
#include <memory>
#include <optional>
#include <string>

namespace troupe {

class line_editor {
 public:
  // Edits only if both standard input and standard output are a terminal.
  line_editor();
  ~line_editor();
  line_editor(const line_editor&) = delete;
  line_editor& operator=(const line_editor&) = delete;

  bool is_terminal() const { return terminal_ != nullptr; }
  // A line without its end. Nothing at the end of the input, and on a terminal at Ctrl-C or Ctrl-D
  // on an empty line; Ctrl-C on any other line begins a new one.
  std::optional<std::string> read();

 private:
  struct terminal;
  std::unique_ptr<terminal> terminal_;
};

}  // namespace troupe
