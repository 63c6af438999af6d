#include "net/http_session.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "net/access_log.hpp"
#include "net/client_facts.hpp"
#include "net/cors.hpp"
#include "net/error_style.hpp"
#include "net/gate.hpp"
#include "net/route_table.hpp"
#include "net/server_log.hpp"

namespace troupe {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t read_bytes = 16 << 10;
constexpr std::size_t idle_read_bytes = 2 << 10;  // all that an idle connection holds
// A declared body that is too long but not absurd is thrown away; a longer one ends the connection.
constexpr std::uint64_t max_skipped_bytes = 64U << 20;
constexpr std::chrono::milliseconds hurried_patience{2000};
constexpr std::string_view no_route = "other";
constexpr std::string_view no_method = "other";
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

http_error too_slow(std::string what) {
  return {.status = 408, .message = std::move(what), .code = "request_timeout"};
}

http_error too_many_bodies() {
  return {.status = 503,
          .message = "the bodies of all requests together are over the server's limit",
          .code = "overloaded"};
}

http_error out_of_memory() {
  return {.status = 503,
          .message = "there was not enough memory for this request",
          .code = "overloaded",
          .retry_after = std::chrono::seconds{5}};
}

http_error unknown_path() {
  return {.status = 404, .message = "there is no such path", .code = "unknown_path"};
}

http_error wrong_method(const std::string& allowed) {
  return {.status = 405,
          .message = "this path answers " + allowed + " only",
          .code = "method_not_allowed",
          .headers = {{"Allow", allowed}}};
}

http_error wrong_media_type() {
  return {.status = 415,
          .message = "the Content-Type must be application/json",
          .code = "unsupported_media_type"};
}

// A fixed set: a client's own words would make a metric of each.
std::string method_label(std::string_view method) {
  for (std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    if (method == known) return std::string{known};
  return std::string{no_method};
}

// Before its route is known a request is answered as most clients expect.
http_response in_openai_style(const http_error& why) {
  return to_response(why, error_style::openai);
}

http_error our_mistake() {
  return {.status = 500, .message = "the server made a mistake", .code = "internal_error"};
}

double milliseconds_since(connection::steady_time begin) {
  return std::chrono::duration<double, std::milli>(clock::now() - begin).count();
}

}  // namespace

http_session::http_session(server_context& house, asio::ip::tcp::socket socket, bool is_hurried)
    : house_(house),
      line_(std::make_shared<connection>(std::move(socket), house.tls.get())),
      is_hurried_(is_hurried) {}

http_session::~http_session() {
  house_.sessions.remove(this);
  give_back_body_bytes();
}

asio::awaitable<void> http_session::run() {
  is_idle_ = true;
  auto greeted =
      co_await line_->shake_hands(clock::now() + patience(house_.options.header_timeout));
  is_idle_ = false;
  // Not `while (co_await serve_one())`: g++ 12 resumes that at no valid point.
  for (bool goes_on = greeted == io_result::done; goes_on;) goes_on = co_await serve_one();
  co_await line_->close_gently();
}

asio::awaitable<bool> http_session::serve_one() {
  request_parser parser({.max_body_bytes = house_.options.max_body_bytes});
  auto result = co_await read_request(parser);
  if (result != read_result::request) co_return result == read_result::refused;
  auto& turn = turn_.emplace(house_, *line_, parser.take());
  // What follows may speak another protocol: only the route knows.
  if (!turn.request().header("Upgrade").empty())
    co_await line_->give_back(std::exchange(input_, {}));
  co_await dispatch(turn);
  observe(turn);
  bool can_go_on = turn.can_go_on() && !house_.is_draining;
  turn_.reset();
  give_back_body_bytes();
  co_return can_go_on;
}

asio::awaitable<http_session::read_result> http_session::read_request(request_parser& parser) {
  if (!co_await read_first_byte()) co_return read_result::closed;
  begin_ = clock::now();
  num_stretch_bytes_ = 0;
  num_request_bytes_ = 0;
  bool was_continued = false;
  for (;;) {
    bool had_head = parser.has_head();
    bool has_room = false;
    bool has_memory = true;
    try {
      has_room = put(parser);
    } catch (const std::bad_alloc&) {
      has_memory = false;
    }
    if (!has_memory) co_return co_await refuse_and_close(in_openai_style(out_of_memory()));
    if (parser.error())
      co_return co_await refuse_body(in_openai_style(*parser.error()), parser.num_refused_bytes());
    if (!has_room) {
      caf::anon_send(house_.facts.observer, refusal_observed{refusal_reason::body_memory});
      co_return co_await refuse_and_close(in_openai_style(too_many_bodies()));
    }
    if (parser.is_done()) co_return read_result::request;
    if (!had_head && parser.has_head()) {
      body_begin_ = clock::now();
      if (auto objection = object_to_head(parser.head()))
        co_return co_await refuse_body(*std::move(objection), parser.num_missing_bytes());
    }
    if (parser.expects_continue() && !std::exchange(was_continued, true)) {
      auto told = co_await line_->write(go_on, house_.options.write_timeout);
      if (told != io_result::done) co_return read_result::closed;
    }
    if (!co_await read_more(parser)) co_return read_result::closed;
  }
}

asio::awaitable<bool> http_session::read_first_byte() {
  if (!input_.empty()) co_return true;
  if (house_.is_draining) co_return false;
  is_idle_ = true;
  auto deadline = clock::now() + patience(house_.options.idle_timeout);
  std::string().swap(input_);
  auto result = co_await line_->read_some(input_, idle_read_bytes, deadline);
  is_idle_ = false;
  co_return result == io_result::done;
}

// False if the bodies of all sessions together have no room for what came.
bool http_session::put(request_parser& parser) {
  auto num_taken = parser.put(input_);
  input_.erase(0, num_taken);
  num_request_bytes_ += num_taken;
  auto num_new = parser.num_body_bytes() - num_body_bytes_;
  num_body_bytes_ += num_new;
  num_stretch_bytes_ += num_new;
  return house_.num_body_bytes.fetch_add(num_new) + num_new <= house_.options.max_bodies_bytes;
}

void http_session::give_back_body_bytes() {
  house_.num_body_bytes.fetch_sub(std::exchange(num_body_bytes_, 0));
}

std::chrono::milliseconds http_session::patience(std::chrono::milliseconds usual) const {
  return is_hurried_ ? std::min(usual, hurried_patience) : usual;
}

// A body must bring `min_body_bytes` in each stretch of `body_timeout`.
connection::steady_time http_session::read_deadline(const request_parser& parser) {
  auto& options = house_.options;
  if (!parser.has_head()) return begin_ + patience(options.header_timeout);
  if (num_stretch_bytes_ >= options.min_body_bytes) {
    num_stretch_bytes_ = 0;
    body_begin_ = clock::now();
  }
  return body_begin_ + options.body_timeout;
}

asio::awaitable<bool> http_session::read_more(const request_parser& parser) {
  auto deadline = read_deadline(parser);
  auto result = co_await line_->read_some(input_, read_bytes, deadline);
  if (result == io_result::done) co_return true;
  if (result == io_result::gone) co_return false;
  auto why = too_slow(parser.has_head() ? "the body came too slowly"
                                        : "the request's head came too slowly");
  co_await refuse_and_close(in_openai_style(why));
  co_return false;
}

// A request that is answered already at its head, in the form and with the headers that its route
// would have answered with.
std::optional<http_response> http_session::object_to_head(const http_request& head) {
  if (head.method == "OPTIONS") return std::nullopt;  // browsers ask without a key
  auto match = find_route(all_routes(), head.method, head.path);
  auto& gate = house_.options.gate;
  auto wrong = troupe::object_to_head(house_, identify(gate, line_->peer(), head), head, match);
  if (!wrong) return std::nullopt;
  auto style = match.found != nullptr ? match.found->style : error_style::openai;
  auto response = to_response(*wrong, style);
  for (auto& header : cors_headers(gate.allowed_origins, head))
    response.headers.push_back(std::move(header));
  return response;
}

asio::awaitable<http_session::read_result> http_session::refuse_body(
    http_response why, std::optional<std::uint64_t> num_missing) {
  if (num_missing.value_or(~0ULL) <= max_skipped_bytes)
    co_return co_await refuse_and_skip(std::move(why), *num_missing);
  co_return co_await refuse_and_close(std::move(why));
}

// The answer comes at once, the body is thrown away as it comes: a client that sends all of it
// before it reads gets its answer, too, and may go on.
asio::awaitable<http_session::read_result> http_session::refuse_and_skip(http_response why,
                                                                         std::uint64_t num_bytes) {
  give_back_body_bytes();
  const bool goes_on = !house_.is_overloaded(overload_level::closing);
  auto bytes = serialise_head(why, {.keep_alive = goes_on}) + why.body;
  auto told = co_await line_->write(bytes, house_.options.write_timeout);
  observe(std::string(no_route), std::string(no_method), why.status, begin_);
  note_broken(why.status, bytes.size());
  auto deadline = clock::now() + house_.options.body_timeout;
  while (told == io_result::done && num_bytes > input_.size()) {
    num_bytes -= input_.size();
    input_.clear();
    told = co_await line_->read_some(input_, read_bytes, deadline);
  }
  if (told != io_result::done) co_return read_result::closed;
  input_.erase(0, num_bytes);
  co_return goes_on ? read_result::refused : read_result::closed;
}

// After a broken request nobody knows where the next one begins.
asio::awaitable<http_session::read_result> http_session::refuse_and_close(http_response why) {
  give_back_body_bytes();
  auto bytes = serialise_head(why, {.keep_alive = false}) + why.body;
  co_await line_->write(bytes, house_.options.write_timeout);
  observe(std::string(no_route), std::string(no_method), why.status, begin_);
  note_broken(why.status, bytes.size());
  co_return read_result::closed;
}

asio::awaitable<void> http_session::dispatch(exchange& turn) {
  auto& request = turn.request();
  auto match = find_route(all_routes(), request.method, request.path);
  bool is_known = !match.allowed_methods.empty();
  route_label_ = is_known ? match.path : no_route;
  if (match.found != nullptr) turn.speak(match.found->style);
  bool may_pass = co_await pass_gate(turn, match);
  if (!may_pass) co_return;
  std::optional<http_error> wrong;
  if (!is_known)
    wrong = unknown_path();
  else if (match.found == nullptr)
    wrong = wrong_method(match.allowed_methods);
  else if (match.found->takes_json && !is_json_content(request.header("Content-Type")))
    wrong = wrong_media_type();
  if (!wrong) {
    try {
      co_await match.found->handler(turn);
    } catch (const std::bad_alloc&) {
      if (!turn.has_begun()) wrong = out_of_memory();
    } catch (const std::exception& error) {
      log_exception(turn.id(), error.what());
      if (!turn.has_begun()) wrong = our_mistake();
    }
  }
  if (wrong) co_await turn.refuse(*wrong);
}

void http_session::observe(const exchange& turn) {
  observe(route_label_, method_label(turn.request().method), turn.status(), turn.arrival());
  log_access(turn.id(), route_label_, turn.status(), clock::now() - turn.arrival());
  if (house_.options.gate.log) note(turn);
}

void http_session::note(const exchange& turn) {
  auto& gate = house_.options.gate;
  auto& request = turn.request();
  access_record record{.time = std::chrono::system_clock::now(),
                       .request_id = turn.id(),
                       .client = turn.client().address,
                       .is_encrypted = turn.client().is_encrypted,
                       .key_name = turn.client().key_name,
                       .method = request.method,
                       .route = route_label_,
                       .status = turn.status(),
                       .duration_ms = milliseconds_since(begin_),
                       .bytes_in = num_request_bytes_,
                       .bytes_out = turn.num_bytes_out(),
                       .usage = turn.account()->usage(),
                       .user_agent = request.header("User-Agent")};
  if (gate.log_prompts && !request.body.empty()) record.body = request.body;
  gate.log->write(record);
}

// Nothing of a request that could not be read is known but its sender's address.
void http_session::note_broken(int status, std::uint64_t num_bytes_out) {
  auto& gate = house_.options.gate;
  if (!gate.log) return;
  auto client = plain_address(line_->peer()).to_string();
  gate.log->write({.time = std::chrono::system_clock::now(),
                   .client = client,
                   .route = no_route,
                   .status = status,
                   .duration_ms = milliseconds_since(begin_),
                   .bytes_in = num_request_bytes_,
                   .bytes_out = num_bytes_out});
}

void http_session::observe(std::string route, std::string method, int status,
                           connection::steady_time since) {
  auto seconds = std::chrono::duration<double>(clock::now() - since).count();
  caf::anon_send(house_.facts.observer,
                 http_observed{std::move(route), std::move(method), status, seconds});
}

void http_session::wind_up() {
  if (is_idle_)
    line_->abort();
  else if (turn_)
    turn_->wind_up();
}

void http_session::end_request(const failure& why) {
  if (turn_) turn_->end(why);
}

void http_session::abort() {
  end_request({.code = error_code::shutting_down, .message = "the server is shutting down"});
  line_->abort();
}

}  // namespace troupe
