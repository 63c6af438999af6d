// Closed-loop load on a server's front end, with what both sides pay for it:
//
//   frontend_load --port N --pid SERVER --protocol sse|ws --concurrency N --requests N
//                 [--per-connection N] [--prompt-tokens N] [--tokens N]
//
// Every client asks for the next answer when it has the last one. Prompts are token ids, each
// another one. Prints one line of JSON: answers, tokens, events (or frames), bytes, seconds, the
// CPU seconds of the server's process and of this one, and the mean seconds to the first event.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using error = boost::system::error_code;

struct load_options {
  std::uint16_t port = 8080;
  int pid = 0;
  std::string protocol = "sse";
  std::uint32_t concurrency = 64;
  std::uint32_t per_connection = 1;
  std::uint32_t num_requests = 256;
  std::uint32_t prompt_tokens = 32;
  std::uint32_t tokens = 512;
};

struct totals {
  std::uint32_t num_started = 0;
  std::uint32_t num_answers = 0;
  std::uint32_t num_failed = 0;
  std::uint64_t num_tokens = 0;
  std::uint64_t num_events = 0;
  std::uint64_t num_bytes = 0;
  double first_event_seconds = 0;  // of all answers together; SSE alone
};

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// User and system time of all threads of a process.
double cpu_seconds_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  line.erase(0, line.rfind(')') + 2);
  std::istringstream fields(line);
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string make_body(const load_options& options, std::uint32_t number) {
  std::string ids;
  for (std::uint32_t i = 0; i < options.prompt_tokens; ++i)
    ids += (i > 0 ? "," : "") + std::to_string(300 + (i == 0 ? number % 1000 : i));
  return "{\"prompt\":[" + ids + "],\"max_tokens\":" + std::to_string(options.tokens) +
         ",\"ignore_eos\":true,\"stream\":true,\"seed\":" + std::to_string(number) + "}";
}

std::uint64_t count(std::string_view text, std::string_view word) {
  std::uint64_t found = 0;
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + word.size())) ++found;
  return found;
}

// The number after the last `"completion_tokens":`.
std::uint64_t completion_tokens(std::string_view text) {
  constexpr std::string_view key = "\"completion_tokens\":";
  const auto at = text.rfind(key);
  return at == text.npos ? 0 : std::strtoull(text.data() + at + key.size(), nullptr, 10);
}

class sse_client : public std::enable_shared_from_this<sse_client> {
 public:
  sse_client(asio::io_context& io, const load_options& options, totals& sums)
      : options_(options), sums_(sums), socket_(io), buffer_(64 << 10) {}

  void start() {
    socket_.connect({asio::ip::address_v4::loopback(), options_.port});
    socket_.set_option(tcp::no_delay(true));
    ask();
  }

 private:
  void ask() {
    if (sums_.num_started == options_.num_requests) return;
    const auto body = make_body(options_, sums_.num_started++);
    request_ =
        "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    answer_.clear();
    asked_at_ = now_seconds();
    has_event_ = false;
    asio::async_write(socket_, asio::buffer(request_),
                      [self = shared_from_this()](error why, std::size_t) {
                        if (why) return self->fail();
                        self->read();
                      });
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](error why, std::size_t size) {
                              if (why) return self->fail();
                              self->take(size);
                            });
  }

  void take(std::size_t size) {
    answer_.append(buffer_.data(), size);
    if (!has_event_ && answer_.find("data: {") != answer_.npos) {
      has_event_ = true;
      sums_.first_event_seconds += now_seconds() - asked_at_;
    }
    if (!answer_.ends_with("\r\n0\r\n\r\n")) return read();
    ++sums_.num_answers;
    sums_.num_bytes += answer_.size();
    sums_.num_events += count(answer_, "data: {");
    sums_.num_tokens += completion_tokens(answer_);
    ask();
  }

  void fail() { ++sums_.num_failed; }

  const load_options& options_;
  totals& sums_;
  tcp::socket socket_;
  std::vector<char> buffer_;
  std::string request_, answer_;
  double asked_at_ = 0;
  bool has_event_ = false;
};

// Several generations side by side on one connection of the server's own protocol.
class ws_client : public std::enable_shared_from_this<ws_client> {
 public:
  ws_client(asio::io_context& io, const load_options& options, totals& sums)
      : options_(options), sums_(sums), stream_(io) {}

  void start() {
    stream_.next_layer().connect({asio::ip::address_v4::loopback(), options_.port});
    stream_.next_layer().set_option(tcp::no_delay(true));
    stream_.handshake("127.0.0.1", "/ws");
    for (std::uint32_t i = 0; i < options_.per_connection; ++i) ask();
    read();
  }

 private:
  // The frames are few and short: written at once.
  void ask() {
    if (sums_.num_started == options_.num_requests) return;
    const auto number = sums_.num_started++;
    ++num_open_;
    stream_.write(asio::buffer("{\"type\":\"generate\",\"id\":\"" + std::to_string(number) +
                               "\",\"path\":\"/generate\",\"body\":" + make_body(options_, number) +
                               "}"));
  }

  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](error why, std::size_t size) {
      if (why) {
        ++self->sums_.num_failed;
        return;
      }
      self->take(size);
    });
  }

  void take(std::size_t size) {
    const std::string_view frame(static_cast<const char*>(buffer_.data().data()), size);
    sums_.num_bytes += size;
    if (frame.starts_with("{\"type\":\"tokens\"")) {
      ++sums_.num_events;
    } else if (frame.starts_with("{\"type\":\"finished\"")) {
      ++sums_.num_answers;
      sums_.num_tokens += completion_tokens(frame);
      --num_open_;
      ask();
    } else if (frame.starts_with("{\"type\":\"error\"")) {
      ++sums_.num_failed;
      --num_open_;
    }
    buffer_.consume(size);
    if (num_open_ > 0) read();
  }

  const load_options& options_;
  totals& sums_;
  beast::websocket::stream<tcp::socket> stream_;
  beast::flat_buffer buffer_;
  std::uint32_t num_open_ = 0;
};

template <class Client>
void run(const load_options& options, std::uint32_t num_connections, totals& sums) {
  asio::io_context io(1);
  for (std::uint32_t i = 0; i < num_connections; ++i)
    std::make_shared<Client>(io, options, sums)->start();
  io.run();
}

void add_flags(CLI::App& app, load_options& o) {
  app.add_option("--port", o.port)->required();
  app.add_option("--pid", o.pid)->required();
  app.add_option("--protocol", o.protocol)->check(CLI::IsMember({"sse", "ws"}));
  app.add_option("--concurrency", o.concurrency)->check(CLI::PositiveNumber);
  app.add_option("--per-connection", o.per_connection)->check(CLI::PositiveNumber);
  app.add_option("--requests", o.num_requests)->check(CLI::PositiveNumber);
  app.add_option("--prompt-tokens", o.prompt_tokens)->check(CLI::PositiveNumber);
  app.add_option("--tokens", o.tokens)->check(CLI::PositiveNumber);
}

}  // namespace

int main(int argc, char** argv) {
  load_options options;
  CLI::App app{"Load on a server's front end"};
  add_flags(app, options);
  CLI11_PARSE(app, argc, argv);
  totals sums;
  const auto start = std::chrono::steady_clock::now();
  const double server_before = cpu_seconds_of(options.pid);
  const double own_before = own_cpu_seconds();
  if (options.protocol == "ws")
    run<ws_client>(options, options.concurrency / options.per_connection, sums);
  else
    run<sse_client>(options, options.concurrency, sums);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf(
      "{\"answers\": %u, \"failed\": %u, \"tokens\": %llu, \"events\": %llu, \"bytes\": %llu, "
      "\"seconds\": %.6f, \"server_cpu\": %.3f, \"own_cpu\": %.3f, "
      "\"first_event_seconds\": %.6f}\n",
      sums.num_answers, sums.num_failed, static_cast<unsigned long long>(sums.num_tokens),
      static_cast<unsigned long long>(sums.num_events),
      static_cast<unsigned long long>(sums.num_bytes), seconds.count(),
      cpu_seconds_of(options.pid) - server_before, own_cpu_seconds() - own_before,
      sums.first_event_seconds / std::max(1U, sums.num_answers));
  return sums.num_answers == options.num_requests ? 0 : 1;
}
