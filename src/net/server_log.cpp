#include "net/server_log.hpp"

#include <spdlog/spdlog.h>

namespace troupe {

void log_access(std::string_view request_id, std::string_view route, int status,
                std::chrono::steady_clock::duration time) {
  auto level = status >= 500 ? spdlog::level::warn : spdlog::level::debug;
  auto ms = std::chrono::duration<double, std::milli>(time).count();
  spdlog::log(level, "{} {} {} {:.1f} ms", request_id, route, status, ms);
}

void log_exception(std::string_view request_id, std::string_view what) {
  spdlog::error("{} threw: {}", request_id, what);
}

void log_thrown(std::string_view who, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    spdlog::error("{} ended by an exception: {}", who, error.what());
  } catch (...) {
    spdlog::error("{} ended by something that is no exception", who);
  }
}

void log_listening(std::string_view host, unsigned port) {
  spdlog::info("listening on {} port {}", host, port);
}

void log_accept_failing(std::string_view why) {
  spdlog::warn("no connection can be accepted at present: {}", why);
}

void log_accept_recovered() { spdlog::info("connections are accepted again"); }

void log_left_behind(std::size_t num_guests) {
  spdlog::error("{} connections or readers did not end in time", num_guests);
}

}  // namespace troupe
