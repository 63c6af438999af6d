#include "cli/line_editor.hpp"

#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <iostream>

namespace troupe {

struct line_editor::terminal {
  EditLine* editor = nullptr;
  History* past = nullptr;
  bool is_interrupted = false;
  bool was_empty = false;
};

namespace {

constexpr int num_remembered_lines = 1000;

char prompt_text[] = "> ";
char* prompt(EditLine*) { return prompt_text; }

}  // namespace

line_editor::line_editor() {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
  // libedit reads characters of the locale; "C" has none beyond ASCII.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::string_view(locale) == "C") std::setlocale(LC_CTYPE, "C.UTF-8");
  terminal_ = std::make_unique<terminal>();
  auto* editor = el_init("troupe", stdin, stdout, stderr);
  terminal_->editor = editor;
  terminal_->past = history_init();
  HistEvent event;
  history(terminal_->past, &event, H_SETSIZE, num_remembered_lines);
  el_set(editor, EL_CLIENTDATA, terminal_.get());
  el_set(editor, EL_PROMPT, &prompt);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, history, terminal_->past);
  // While a line is edited these are keys, at any other time they are signals.
  el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
  auto interrupt = [](EditLine* in, int) -> unsigned char {
    void* data = nullptr;
    el_get(in, EL_CLIENTDATA, &data);
    auto* self = static_cast<terminal*>(data);
    const auto* line = el_line(in);
    self->is_interrupted = true;
    self->was_empty = line->lastchar == line->buffer;
    return CC_EOF;
  };
  auto suspend = [](EditLine* in, int) -> unsigned char {
    el_set(in, EL_PREP_TERM, 0);
    kill(0, SIGTSTP);
    el_set(in, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
  };
  el_set(editor, EL_ADDFN, "troupe-interrupt", "Leave the line", +interrupt);
  el_set(editor, EL_BIND, "^C", "troupe-interrupt", nullptr);
  el_set(editor, EL_ADDFN, "troupe-suspend", "Stop the program", +suspend);
  el_set(editor, EL_BIND, "^Z", "troupe-suspend", nullptr);
}

line_editor::~line_editor() {
  if (!terminal_) return;
  history_end(terminal_->past);
  el_end(terminal_->editor);
}

std::optional<std::string> line_editor::read() {
  std::string line;
  if (!terminal_) {
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  for (;;) {
    terminal_->is_interrupted = false;
    int num_bytes = 0;
    // Before the prompt is seen: what is typed at it must not be taken as in any other mode.
    el_set(terminal_->editor, EL_PREP_TERM, 1);
    const char* text = el_gets(terminal_->editor, &num_bytes);
    if (text != nullptr && num_bytes > 0 && !terminal_->is_interrupted) {
      line.assign(text, static_cast<std::size_t>(num_bytes));
      break;
    }
    std::cout << '\n' << std::flush;
    if (!terminal_->is_interrupted || terminal_->was_empty) return std::nullopt;
  }
  HistEvent event;
  if (line.find_first_not_of(" \n") != std::string::npos)
    history(terminal_->past, &event, H_ENTER, line.c_str());
  while (line.ends_with('\n')) line.pop_back();
  return line;
}

}  // namespace troupe
