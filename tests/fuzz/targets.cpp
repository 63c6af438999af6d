#include "targets.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "net/client_frame.hpp"
#include "net/dialects/chat.hpp"
#include "net/dialects/completions.hpp"
#include "net/dialects/generate.hpp"
#include "net/dialects/messages.hpp"
#include "net/dialects/responses.hpp"
#include "net/dialects/tgi.hpp"
#include "net/request_parser.hpp"
#include "net/token_bodies.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"

namespace troupe::test {

void fail(std::string_view why, std::string_view what) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(why.size()), why.data(),
               static_cast<int>(what.size()), what.data());
  std::abort();
}

const service& demo_facts() {
  static const service known = [] {
    service s;
    auto words = tokenizer::load(TROUPE_DEMO_MODEL);
    auto chat = chat_template::load(TROUPE_DEMO_MODEL);
    if (!words || !chat) fail("the demo model does not load", TROUPE_DEMO_MODEL);
    s.words = std::make_shared<const tokenizer>(*std::move(words));
    s.chat = std::make_shared<const chat_template>(*std::move(chat));
    s.model_name = "demo";
    s.vocab_size = s.words->vocab_size() + 64;
    s.limits.num_pages = 1000;
    return s;
  }();
  return known;
}

namespace {

void must_be_json(std::string_view text) {
  if (!parse_json(text)) fail("an answer is no JSON", text);
}

struct checking_sink : event_sink {
  void event(std::string_view name, std::string_view json) override {
    if (name.find_first_of("\r\n") != std::string_view::npos) fail("a name has lines", name);
    if (json.find('\n') != std::string_view::npos) fail("an event has lines", json);
    must_be_json(json);
  }
};

// Text with everything that must be escaped or looked for, in pieces that cut it anywhere.
answer_piece piece_of(std::size_t step, bool is_last, const answer_order& order) {
  static constexpr std::array<std::string_view, 4> texts{
      "a\"\\\n\x01\xC3\xA9<tool_", "call>\n{\"name\": \"f\", \"argu",
      "ments\": {\"x\": [1]}}\n</tool_call>", "\n end"};
  answer_piece piece{.text = std::string(texts.at(step % texts.size()))};
  sampled_token token{.token = static_cast<token_id>(step * 97), .logprob = -0.5F};
  if (order.request.sampling.num_logprobs > 0) token.most_likely.push_back({5, -0.25F});
  if (order.wants_tokens)
    piece.tokens.push_back({token, static_cast<std::uint32_t>(piece.text.size())});
  if (is_last) {
    piece.end = answer_end{.why = finish_reason::stop, .usage = {7, 2, 4}};
    if (!order.text.stop.empty()) piece.end->matched_stop = order.text.stop.front();
  }
  return piece;
}

void check_orders(const answer_plan& plan) {
  if (plan.orders.empty()) fail("a plan has no order", "");
  for (auto& order : plan.orders) {
    auto& request = order.request;
    if (request.prompt.empty() || request.sampling.max_tokens == 0) fail("an order is empty", "");
    for (auto id : request.prompt)
      if (id < 0 || id >= static_cast<token_id>(demo_facts().vocab_size))
        fail("a token is unknown", "");
  }
}

constexpr std::size_t num_steps = 4;

void write_whole(answer_plan& plan) {
  std::vector<answer_piece> choices;
  for (auto& order : plan.orders) {
    auto& all = choices.emplace_back();
    for (std::size_t step = 0; step < num_steps; ++step)
      append_piece(all, piece_of(step, step + 1 == num_steps, order));
  }
  must_be_json(plan.writer->whole(std::move(choices)));
}

void write_stream(answer_plan& plan, bool fails) {
  checking_sink out;
  for (std::size_t step = 0; step < num_steps; ++step)
    for (std::size_t i = 0; i < plan.orders.size(); ++i)
      plan.writer->write(out, i, piece_of(step, step + 1 == num_steps && !fails, plan.orders[i]));
  if (fails)
    plan.writer->fail(out, {.status = 500, .message = "a \"device\" broke\n"});
  else
    plan.writer->finish(out);
}

template <body_reader Read>
void run_reader(std::string_view input) {
  body_context context{.facts = demo_facts(), .id = "req-1", .seed = 3, .created = 5};
  auto plan = Read(input, context);
  if (!is_taken(plan, input)) {
    auto error = to_http_error(plan.error());
    must_be_json(error_body(error, context.style));
    return;
  }
  check_orders(*plan);
  if (plan->stream)
    write_stream(*plan, input.size() % 2 == 1);
  else
    write_whole(*plan);
}

template <outcome<std::string> (*Work)(std::string_view, const service&)>
void run_token_body(std::string_view input) {
  auto text = Work(input, demo_facts());
  if (is_taken(text, input)) must_be_json(*text);
}

// The request, or nothing: whoever waits for more and whoever refuses both have none.
std::string read_http(std::string_view input, std::size_t step) {
  request_parser parser({.max_body_bytes = 1000});
  std::string pending;
  while (!input.empty() && !parser.is_done() && !parser.error()) {
    auto size = std::min(step, input.size());
    pending += input.substr(0, size);
    input.remove_prefix(size);
    pending.erase(0, parser.put(pending));
  }
  if (parser.error() || !parser.is_done()) return {};
  auto request = parser.take();
  auto out = request.method + " " + request.path + " " + request.query + "\n" + request.body;
  for (auto& [name, value] : request.headers) out += "\n" + name + "=" + value;
  return out;
}

// However the bytes are cut, the same request comes out.
void run_http(std::string_view input) {
  auto whole = read_http(input, std::max<std::size_t>(1, input.size()));
  auto cut = read_http(input, 1);
  if (whole != cut) fail("cutting the bytes changes the request", whole + "\nagainst\n" + cut);
}

void run_frame(std::string_view input) {
  auto reading = read_client_frame(input);
  if (!is_taken(reading.frame, input)) return;
  if (auto* wanted = std::get_if<generate_frame>(&*reading.frame)) must_be_json(wanted->body);
}

// A schema from anybody: compiled or refused, and what is compiled lets an answer begin.
void run_schema(std::string_view input) {
  static const grammar_compiler compiler(demo_facts().words, {0}, demo_facts().words->vocab_size());
  auto json = parse_json(input);
  if (!json) return;
  auto bound = compiler.json_schema(*json);
  if (!bound && bound.error().why.reason.empty()) fail("a refusal says nothing", input);
  if (!bound) return;
  std::vector<std::uint32_t> mask((demo_facts().words->vocab_size() + 31) / 32);
  bound->constraint->start()->fill_mask(mask);
  bool is_empty = std::ranges::all_of(mask, [](auto word) { return word == 0; });
  if (is_empty) fail("nothing may begin", input);
}

using grammar_maker = grammar_outcome<bound_grammar> (*)(const grammar_compiler&, std::string_view);

// A grammar or an expression from anybody; an answer that begins can go on or end.
template <grammar_maker Make>
void run_grammar(std::string_view input) {
  auto eos = static_cast<token_id>(demo_facts().words->vocab_size() - 1);  // not text
  static const grammar_compiler compiler(demo_facts().words, {eos},
                                         demo_facts().words->vocab_size());
  auto bound = Make(compiler, input);
  if (!bound && bound.error().why.reason.empty()) fail("a refusal says nothing", input);
  if (!bound) return;
  std::vector<std::uint32_t> mask((demo_facts().words->vocab_size() + 31) / 32);
  auto state = bound->constraint->start();
  for (std::size_t step = 0; step < 8; ++step) {
    state->fill_mask(mask);
    auto word = std::ranges::find_if(mask, [](auto some) { return some != 0; });
    if (word == mask.end()) fail("nothing may follow", input);
    auto first = static_cast<token_id>((word - mask.begin()) * 32 + std::countr_zero(*word));
    if (!state->accept(first)) fail("a mask allows too much", input);
    if (first == eos) return;
  }
}

grammar_outcome<bound_grammar> make_ebnf(const grammar_compiler& how, std::string_view source) {
  return how.grammar(source);
}

grammar_outcome<bound_grammar> make_regex(const grammar_compiler& how, std::string_view pattern) {
  return how.regex(pattern);
}

}  // namespace

std::span<const fuzz_target> body_targets() {
  static constexpr std::array table{
      fuzz_target{"generate", &run_reader<&read_generate_body>},
      fuzz_target{"generate_stream", &run_reader<&read_tgi_stream_body>},
      fuzz_target{"completions", &run_reader<&read_completions_body>},
      fuzz_target{"chat", &run_reader<&read_chat_body>},
      fuzz_target{"responses", &run_reader<&read_responses_body>},
      fuzz_target{"messages", &run_reader<&read_messages_body>},
      fuzz_target{"count_tokens", &run_token_body<&count_tokens_body>},
      fuzz_target{"tokenize", &run_token_body<&tokenize_body>},
      fuzz_target{"detokenize", &run_token_body<&detokenize_body>},
      fuzz_target{"http", &run_http},
      fuzz_target{"frame", &run_frame},
      fuzz_target{"schema", &run_schema},
      fuzz_target{"ebnf", &run_grammar<&make_ebnf>},
      fuzz_target{"regex", &run_grammar<&make_regex>},
  };
  return table;
}

std::span<const fuzz_target> all_fuzz_targets() {
  static const std::vector<fuzz_target> table = [] {
    std::vector<fuzz_target> all;
    for (auto some : {body_targets(), file_targets(), text_targets(), wire_targets()})
      all.insert(all.end(), some.begin(), some.end());
    return all;
  }();
  return table;
}

}  // namespace troupe::test
