#include "cli/chat.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <map>

#include "cli/api_key.hpp"
#include "cli/chat_exchange.hpp"
#include "cli/line_editor.hpp"
#include "cli/nearest_name.hpp"
#include "text/file.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t max_conversation_bytes = 16U << 20;

// Ctrl-C as something that can be waited for, while a person is at the terminal.
class interrupts {
 public:
  interrupts() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigprocmask(SIG_BLOCK, &set_, nullptr);
    fd_ = signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~interrupts() { close(fd_); }
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  int fd() const { return fd_; }
  void forget() {
    signalfd_siginfo one;
    while (::read(fd_, &one, sizeof one) > 0) {
    }
  }

 private:
  sigset_t set_{};
  int fd_ = -1;
};

class chat_session {
 public:
  chat_session(http_url where, const chat_options& options, line_editor& lines)
      : where_(std::move(where)),
        sampling_(options.sampling),
        client_(options.client),
        lines_(lines) {
    talk_.system = options.system;
    if (!lines_.is_terminal()) return;
    interrupts_.emplace();
    client_.cancel_fd = interrupts_->fd();
  }

  // The exit status.
  int run() {
    if (lines_.is_terminal()) greet();
    while (auto line = lines_.read()) {
      if (line->find_first_not_of(" \t") == std::string::npos) continue;
      bool is_command = line->starts_with('/') && !line->starts_with("//");
      bool went_well = is_command ? obey(*line) : ask(line->substr(line->starts_with("//")));
      if (!went_well && !lines_.is_terminal()) return 1;
    }
    return 0;
  }

 private:
  void greet() const {
    std::cout << "Chat with " << where_.authority() << "; /help lists what there is.\n"
              << std::flush;
  }

  bool say(const std::string& text) const {
    (lines_.is_terminal() ? std::cout : std::cerr) << text << '\n' << std::flush;
    return true;
  }

  bool refuse(const std::string& why) const {
    std::cerr << "error: " << printable(why) << '\n' << std::flush;
    return false;
  }

  bool ask(const std::string& question) {
    if (!is_utf8(question)) return refuse("the line is not UTF-8");
    if (interrupts_) interrupts_->forget();
    if (sampling_.model.empty()) sampling_.model = ask_model(where_, client_);
    talk_.turns.push_back({"user", question});
    auto answer = ask_server(where_, client_, talk_, sampling_, [](const std::string& text) {
      std::cout << printable(text) << std::flush;
    });
    if (!answer.content.empty() || answer.is_cancelled) std::cout << '\n' << std::flush;
    // A question without any answer would stand in the way of the next one.
    if (answer.content.empty() && (answer.is_cancelled || !answer.error.empty())) {
      talk_.turns.pop_back();
    } else {
      talk_.turns.push_back({"assistant", answer.content});
    }
    if (!answer.content.empty()) count(answer);
    return answer.error.empty() || refuse(answer.error);
  }

  void count(const chat_answer& answer) {
    ++num_answers_;
    num_tokens_ += answer.num_tokens;
    waited_ += answer.first_token;
    generated_ += answer.last_token - answer.first_token;
    if (!lines_.is_terminal()) return;
    std::cout << "\x1b[2m" << describe(answer) << (answer.is_cancelled ? ", cancelled" : "")
              << "\x1b[0m\n"
              << std::flush;
  }

  bool obey(const std::string& line) {
    using command = bool (chat_session::*)(const std::string&);
    static const std::map<std::string, command> commands = {
        {"/help", &chat_session::help},     {"/clear", &chat_session::clear},
        {"/system", &chat_session::system}, {"/save", &chat_session::save},
        {"/load", &chat_session::load},     {"/stats", &chat_session::stats}};
    auto end = std::min(line.find(' '), line.size());
    auto rest = line.find_first_not_of(' ', end);
    auto found = commands.find(line.substr(0, end));
    if (found != commands.end())
      return (this->*found->second)(rest == std::string::npos ? "" : line.substr(rest));
    std::vector<std::string> names;
    for (auto& [name, meaning] : commands) names.push_back(name);
    auto nearest = nearest_name(line.substr(0, end), names);
    return refuse("unknown command " + line.substr(0, end) + "; " +
                  (nearest.empty() ? "see /help" : "did you mean " + nearest + "?"));
  }

  bool help(const std::string&) {
    return say(
        "/clear        forget the conversation, keep the system message\n"
        "/system TEXT  set the system message; without TEXT: none\n"
        "/save FILE    write the conversation as JSON\n"
        "/load FILE    go on with a conversation of such a file\n"
        "/stats        times and tokens of this session\n"
        "/help         this\n"
        "//...         a line that begins with a slash\n"
        "Ctrl-C ends an answer; on an empty line Ctrl-C and Ctrl-D leave.");
  }

  bool clear(const std::string&) {
    talk_.turns.clear();
    return true;
  }

  bool system(const std::string& text) {
    if (!is_utf8(text)) return refuse("the line is not UTF-8");
    talk_.system = text;
    return true;
  }

  bool save(const std::string& path) {
    if (path.empty()) return refuse("/save needs the name of a file");
    std::ofstream file(path, std::ios::binary);
    file << conversation_json(talk_) << std::flush;
    return file.good() || refuse("cannot write " + path);
  }

  bool load(const std::string& path) {
    if (path.empty()) return refuse("/load needs the name of a file");
    auto text = read_file(path, max_conversation_bytes);
    if (!text) return refuse(text.error().message);
    auto read = parse_conversation(*text);
    if (!read) return refuse(path + ": " + read.error().message);
    talk_ = *std::move(read);
    return say(std::to_string(talk_.turns.size()) + " messages");
  }

  bool stats(const std::string&) {
    if (num_answers_ == 0) return say("no answers yet");
    // Answers one after another: the same sentence with means.
    chat_answer all{.num_tokens = num_tokens_, .first_token = waited_ / num_answers_};
    all.last_token = all.first_token + generated_;
    return say(std::to_string(num_answers_) + " answers; on average " + describe(all));
  }

  http_url where_;
  chat_sampling sampling_;
  client_options client_;
  line_editor& lines_;
  std::optional<interrupts> interrupts_;
  conversation talk_;
  std::uint64_t num_answers_ = 0, num_tokens_ = 0;
  std::chrono::duration<double> waited_{0}, generated_{0};
};

}  // namespace

int run_chat(const chat_options& options) {
  auto where = parse_url(options.url);
  if (!where) {
    std::cerr << "troupe: " << where.error().message << '\n';
    return 2;
  }
  // The routes' own version may stand at the end of a base URL.
  if (where->path.ends_with("/v1")) where->path.resize(where->path.size() - 3);
  auto mine = options;
  auto key = find_api_key(options.api_key);
  if (!key) {
    std::cerr << "troupe: " << key.error().message << '\n';
    return 2;
  }
  mine.client.bearer_token = *std::move(key);
  line_editor lines;
  return chat_session(*std::move(where), mine, lines).run();
}

}  // namespace troupe
