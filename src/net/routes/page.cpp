#include <algorithm>
#include <string>
#include <string_view>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "net/web_files.hpp"

namespace troupe {
namespace {

// Nothing from elsewhere, nothing inline, no string made into markup: text of a model can never
// become a script.
constexpr std::string_view content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

std::string_view type_of(std::string_view path) {
  if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

// If-None-Match is a list of tags, each perhaps marked as weak, or an asterisk. Ours are plain
// hexadecimal digits, so that none can be found within another.
bool has_current_copy(std::string_view if_none_match, std::string_view etag) {
  return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

}  // namespace

asio::awaitable<void> answer_page(exchange& turn) {
  auto file = std::ranges::find(web_files(), turn.request().path, &web_file::path);
  // A browser may keep the file but must ask whether it is still the one of this program.
  http_response response{.content_type = std::string{type_of(file->path)},
                         .headers = {{"Content-Security-Policy", std::string{content_policy}},
                                     {"X-Content-Type-Options", "nosniff"},
                                     {"Referrer-Policy", "no-referrer"},
                                     {"Cache-Control", "no-cache"},
                                     {"ETag", std::string{file->etag}}}};
  if (has_current_copy(turn.request().header("If-None-Match"), file->etag))
    response.status = 304;
  else
    response.body = file->bytes;
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
