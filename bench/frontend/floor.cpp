// What the kernel alone takes to send tokens, one by one, to readers on the same machine: a bound
// for every front end. The sender does nothing else.
//
//   frontend_floor [CONNECTIONS [ROUNDS [BYTES [MICROSECONDS]]]]
//
// In every round each connection is sent BYTES, then the sender sleeps; another process reads.
// Prints the sender's CPU microseconds for one send.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/tcp.h>
#include <string>
#include <thread>
#include <vector>

namespace {

void require(bool is_well, const char* what) {
  if (is_well) return;
  std::perror(what);
  std::exit(1);
}

// Until every sender has closed.
void read_all(std::vector<int> sockets) {
  const int poll = epoll_create1(0);
  for (const int s : sockets) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = s}};
    require(epoll_ctl(poll, EPOLL_CTL_ADD, s, &event) == 0, "epoll_ctl");
  }
  std::array<epoll_event, 128> events{};
  std::vector<char> buffer(64 << 10);
  for (auto num_open = sockets.size(); num_open > 0;) {
    const int num_ready = epoll_wait(poll, events.data(), events.size(), -1);
    for (int i = 0; i < num_ready; ++i) {
      const int s = events[static_cast<std::size_t>(i)].data.fd;
      if (recv(s, buffer.data(), buffer.size(), 0) > 0) continue;
      close(s);
      --num_open;
    }
  }
}

struct pairs {
  std::vector<int> senders, readers;
};

pairs connect_pairs(std::size_t count) {
  pairs out;
  const int door = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  require(bind(door, any, size) == 0 && listen(door, 128) == 0, "listen");
  require(getsockname(door, any, &size) == 0, "getsockname");
  for (std::size_t i = 0; i < count; ++i) {
    out.readers.push_back(socket(AF_INET, SOCK_STREAM, 0));
    require(connect(out.readers.back(), any, size) == 0, "connect");
    out.senders.push_back(accept(door, nullptr, nullptr));
    const int yes = 1;
    setsockopt(out.senders.back(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  close(door);
  return out;
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, int standard) {
    return argc > i ? std::atoi(argv[i]) : standard;
  };
  const auto num_connections = static_cast<std::size_t>(argument(1, 256));
  const int num_rounds = argument(2, 500);
  const std::string bytes(static_cast<std::size_t>(argument(3, 60)), 'x');
  const std::chrono::microseconds pause(argument(4, 6000));
  auto all = connect_pairs(num_connections);
  const pid_t reader = fork();
  require(reader >= 0, "fork");
  for (const int s : reader == 0 ? all.senders : all.readers) close(s);
  if (reader == 0) {
    read_all(all.readers);
    std::_Exit(0);
  }
  const double before = own_cpu_seconds();
  for (int round = 0; round < num_rounds; ++round) {
    for (const int s : all.senders) {
      const auto sent = send(s, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      require(sent == static_cast<ssize_t>(bytes.size()), "send");
    }
    std::this_thread::sleep_for(pause);
  }
  const double spent = own_cpu_seconds() - before;
  for (const int s : all.senders) close(s);
  waitpid(reader, nullptr, 0);
  std::printf("%.2f us of CPU a send\n",
              spent / num_rounds / static_cast<double>(num_connections) * 1e6);
  return 0;
}
