// The handlers of all routes: one file each. A handler answers its exchange exactly once.
#pragma once
#include <boost/asio/awaitable.hpp>

namespace troupe {

class exchange;

// POST: every API that generates (net/dialect.hpp); the answer at once or as server-sent events.
boost::asio::awaitable<void> answer_dialect(exchange& turn);
// OpenAI's list of models: the one that is served.
boost::asio::awaitable<void> answer_models(exchange& turn);
boost::asio::awaitable<void> answer_model(exchange& turn);
// POST: text to token ids and back, as vLLM takes them.
boost::asio::awaitable<void> answer_tokenize(exchange& turn);
boost::asio::awaitable<void> answer_detokenize(exchange& turn);
// POST: what the body of Anthropic's /v1/messages would cost.
boost::asio::awaitable<void> answer_count_tokens(exchange& turn);
// GET and DELETE: a stored answer of the Responses API; GET: what it answered.
boost::asio::awaitable<void> answer_response(exchange& turn);
boost::asio::awaitable<void> delete_response(exchange& turn);
boost::asio::awaitable<void> answer_response_input(exchange& turn);
// Is the process alive: threads, strands and actors answer; 503 when only another one can help.
boost::asio::awaitable<void> answer_health(exchange& turn);
// Should it get requests: 503 and a reason while it should not.
boost::asio::awaitable<void> answer_ready(exchange& turn);
// Prometheus' text form.
boost::asio::awaitable<void> answer_metrics(exchange& turn);
boost::asio::awaitable<void> answer_version(exchange& turn);
// What runs here: model, limits, memory, features.
boost::asio::awaitable<void> answer_server_info(exchange& turn);
// Load tests of this server (docs/bench.md): GET: all that are kept, one with its progress, a file
// of one; POST: start one, end one.
boost::asio::awaitable<void> answer_load_tests(exchange& turn);
boost::asio::awaitable<void> answer_load_test(exchange& turn);
boost::asio::awaitable<void> answer_load_test_file(exchange& turn);
boost::asio::awaitable<void> begin_load_test(exchange& turn);
boost::asio::awaitable<void> end_load_test(exchange& turn);
// GET: a WebSocket with many generations (docs/websocket.md).
boost::asio::awaitable<void> answer_websocket(exchange& turn);
// GET: OpenAI's responses over a WebSocket, one after the other (the same document).
boost::asio::awaitable<void> answer_responses_socket(exchange& turn);
// The page for people and its parts: a file of net/web_files.hpp named by the path.
boost::asio::awaitable<void> answer_page(exchange& turn);

}  // namespace troupe
