#include "net/answer_json.hpp"

#include <charconv>
#include <cmath>

#include "text/json.hpp"

namespace troupe {
namespace {

// JSON has no infinity; a token that the model excludes altogether counts as this.
constexpr float lowest_logprob = -9999.0F;

void append_number(std::string& out, std::uint64_t value) { out += std::to_string(value); }

void append_logprob(std::string& out, float value) {
  if (!(value >= lowest_logprob)) value = lowest_logprob;
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void append_token(std::string& out, const tokenizer& words, token_id token, float logprob) {
  out += R"("token_id": )" + std::to_string(token) + R"(, "token": )";
  append_json_string(out, words.decode({token}, false));
  out += R"(, "logprob": )";
  append_logprob(out, logprob);
}

void append_logprobs(std::string& out, const answer_facts& facts,
                     const std::vector<sampled_token>& tokens) {
  out += R"(, "logprobs": [)";
  for (auto& t : tokens) {
    if (&t != tokens.data()) out += ", ";
    out += "{";
    append_token(out, facts.words, t.token, t.logprob);
    out += R"(, "top_logprobs": [)";
    for (auto& likely : t.most_likely) {
      if (&likely != t.most_likely.data()) out += ", ";
      out += "{";
      append_token(out, facts.words, likely.token, likely.logprob);
      out += "}";
    }
    out += "]}";
  }
  out += "]";
}

void append_end(std::string& out, const answer_facts& facts, const answer_end& end) {
  auto& u = end.usage;
  out.append(R"(, "finish_reason": ")").append(to_string(end.why)).append(R"(", "seed": )");
  append_number(out, facts.seed);
  out += R"(, "usage": {"prompt_tokens": )";
  append_number(out, u.prompt_tokens);
  out += R"(, "completion_tokens": )";
  append_number(out, u.completion_tokens);
  out += R"(, "total_tokens": )";
  append_number(out, std::uint64_t{u.prompt_tokens} + u.completion_tokens);
  out += R"(, "cached_tokens": )";
  append_number(out, u.cached_tokens);
  out += "}";
}

void append_answer(std::string& out, const answer_facts& facts, const answer_piece& piece) {
  out += R"({"id": )";
  append_json_string(out, facts.id);
  out += R"(, "text": )";
  append_json_string(out, piece.text);
  if (facts.has_logprobs) append_logprobs(out, facts, piece.tokens);
  if (piece.end) append_end(out, facts, *piece.end);
  out += "}";
}

}  // namespace

std::string whole_answer(const answer_facts& facts, const answer_piece& all) {
  std::string out;
  append_answer(out, facts, all);
  return out += "\n";
}

std::string answer_event(const answer_facts& facts, const answer_piece& piece) {
  std::string out = "data: ";
  append_answer(out, facts, piece);
  return out += "\n\n";
}

std::string error_event(const http_error& error) { return "data: " + error_body(error) + "\n\n"; }

http_error to_http_error(const answer_end& end) {
  failure why = end.error;
  if (why.message.empty()) why.message = "the request was " + std::string(to_string(end.why));
  switch (end.why) {
    case finish_reason::timed_out: why.code = error_code::timed_out; break;
    case finish_reason::cancelled:
      if (why.code == error_code::invalid_argument) why.code = error_code::shutting_down;
      break;
    default: break;
  }
  return to_http_error(why);
}

}  // namespace troupe
