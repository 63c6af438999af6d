// The fastest server that answers POST /generate: one thread, one fixed answer, nothing is parsed
// but where a request ends. What a load generator reaches against it is the generator's own limit.
//
//   load_quick_server        prints its port and serves 127.0.0.1 until it is ended
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 117\r\n\r\n"
    R"({"id":"0","text":"It rains.","finish_reason":"stop","seed":1,"usage":{"prompt_tokens":4,)"
    R"("completion_tokens":3,"x":0}})";
constexpr std::size_t answer_head = answer.find("\r\n\r\n") + 4;
static_assert(answer.size() - answer_head == 117);

void require(bool is_well, const char* what) {
  if (is_well) return;
  std::perror(what);
  std::exit(1);
}

// How many whole requests `bytes` begins with; takes them away.
int take_requests(std::string& bytes) {
  static constexpr std::string_view name = "Content-Length: ";
  int count = 0;
  std::size_t at = 0;
  while (true) {
    auto head = bytes.find("\r\n\r\n", at);
    if (head == std::string::npos) break;
    auto field = bytes.find(name, at);
    auto length = field < head ? std::strtoul(bytes.c_str() + field + name.size(), nullptr, 10) : 0;
    if (bytes.size() < head + 4 + length) break;
    at = head + 4 + length;
    ++count;
  }
  bytes.erase(0, at);
  return count;
}

int listen_anywhere() {
  int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  require(bind(door, reinterpret_cast<sockaddr*>(&where), size) == 0, "bind");
  require(listen(door, 4096) == 0, "listen");
  getsockname(door, reinterpret_cast<sockaddr*>(&where), &size);
  std::printf("%d\n", ntohs(where.sin_port));
  std::fflush(stdout);
  return door;
}

void watch(int poll, int file) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = file}};
  require(epoll_ctl(poll, EPOLL_CTL_ADD, file, &event) == 0, "epoll_ctl");
}

}  // namespace

int main() {
  int door = listen_anywhere(), poll = epoll_create1(0);
  watch(poll, door);
  std::unordered_map<int, std::string> unread;
  std::array<epoll_event, 256> events{};
  std::array<char, 64 << 10> buffer{};
  while (true) {
    int count = epoll_wait(poll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      int file = events[static_cast<std::size_t>(i)].data.fd;
      if (file == door) {
        int client = accept4(door, nullptr, nullptr, SOCK_NONBLOCK);
        int yes = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        watch(poll, client);
        continue;
      }
      auto length = read(file, buffer.data(), buffer.size());
      if (length <= 0) {
        close(file);
        unread.erase(file);
        continue;
      }
      auto& bytes = unread[file];
      bytes.append(buffer.data(), static_cast<std::size_t>(length));
      for (int left = take_requests(bytes); left > 0; --left)
        if (write(file, answer.data(), answer.size()) < 0) break;
    }
  }
}
