// What the server writes to its log. Never a prompt, an answer, or a client's own text.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "core/overload.hpp"

namespace troupe {

void log_access(std::string_view request_id, std::string_view route, int status,
                std::chrono::steady_clock::duration time);
void log_exception(std::string_view request_id, std::string_view what);
void log_thrown(std::string_view who, const std::exception_ptr& thrown);
void log_listening(std::string_view host, unsigned port);
// Once when it begins and once when it is over, not for each refused connection.
void log_accept_failing(std::string_view why);
void log_accept_recovered();
void log_overload(overload_level before, overload_level now, std::uint64_t held_bytes,
                  std::uint64_t limit_bytes);
void log_left_behind(std::size_t num_guests);

}  // namespace troupe
