#include <algorithm>
#include <string>
#include <string_view>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "net/web_files.hpp"

namespace troupe {
namespace {

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  return "text/javascript; charset=utf-8";
}

}  // namespace

asio::awaitable<void> answer_page(exchange& turn) {
  auto name = turn.request().path == "/" ? "index.html" : turn.request().path.substr(1);
  auto file = std::ranges::find(web_files(), name, &web_file::name);
  // Nothing from elsewhere, nothing inline: text of a model can never become a script.
  http_response response{
      .content_type = std::string{type_of(name)},
      .body = std::string{file->bytes},
      .headers = {{"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"},
                  {"X-Content-Type-Options", "nosniff"}}};
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
