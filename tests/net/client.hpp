// A plain blocking HTTP client that shows the bytes as they are. Whatever takes longer than some
// seconds counts as silence.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::test {

struct client_response {
  int status = 0;  // 0: the connection ended instead
  std::string head;
  std::string body;  // chunks put together
  bool was_chunked = false;

  // The value of a header, or empty; names as they are written.
  std::string header(std::string_view name) const;
};

class client {
 public:
  explicit client(std::uint16_t port, int receive_buffer_bytes = 0);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  void send(std::string_view bytes);
  client_response receive();
  // Reads until `mark` was seen; everything so far. Empty if it never comes.
  std::string receive_until(std::string_view mark);
  // True if the server closes its side within the time.
  bool is_closed(std::chrono::milliseconds within = std::chrono::seconds{3});
  void half_close();
  void close();
  void reset();  // RST instead of FIN

  client_response get(std::string_view path);
  client_response post(std::string_view path, std::string_view json);
  static std::string post_text(std::string_view path, std::string_view json,
                               std::string_view more_headers = "");

 private:
  bool read_some();
  bool read_until(std::string_view mark, std::size_t& end);
  std::string take(std::size_t num_bytes);

  int socket_ = -1;
  std::string input_;
};

}  // namespace troupe::test
