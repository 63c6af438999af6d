#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/c_options.hpp"

struct troupe_engine {
  troupe::client client;
};

struct troupe_answer {
  troupe::answer value;
};

namespace troupe {
namespace {

// Whether this thread is in a callback: it is one of the engine's own and must not wait for it.
thread_local int callback_depth = 0;

struct in_callback {
  in_callback() { ++callback_depth; }
  ~in_callback() { --callback_depth; }
};

// No exception leaves the library, whatever is behind it.
template <class Work>
troupe_code guarded(troupe_failure* why, const Work& work) {
  try {
    if (why != nullptr) *why = {};
    refusal done = work();
    return done ? TROUPE_OK : write_failure(done.error(), why);
  } catch (const std::bad_alloc&) {
    return write_failure({error_code::engine_failed, "there is no memory left", "", {}}, why);
  } catch (const std::exception& error) {
    return write_failure({error_code::engine_failed, error.what(), "", {}}, why);
  } catch (...) {
    return write_failure({error_code::engine_failed, "something unknown was thrown", "", {}}, why);
  }
}

template <class Element>
refusal copy_out(std::span<const Element> from, Element* to, std::size_t capacity,
                 std::size_t* size) {
  if (size == nullptr) return refuse_member("size", "is null");
  if (capacity != 0 && to == nullptr) return refuse_member("capacity", "is not 0, the target null");
  *size = from.size();
  std::copy_n(from.begin(), std::min(capacity, from.size()), to);
  return nothing{};
}

refusal copy_out(const std::string& from, char* to, std::size_t capacity, std::size_t* size) {
  auto copied = copy_out(std::span<const char>(from), to, capacity == 0 ? 0 : capacity - 1, size);
  if (copied && capacity != 0) to[std::min(capacity - 1, from.size())] = '\0';
  return copied;
}

struct c_callbacks {
  troupe_on_tokens on_tokens = nullptr;
  troupe_on_end on_end = nullptr;
  void* user = nullptr;
};

// `id` is known to the callbacks before the caller knows it.
answer_callbacks wrap(const c_callbacks& c, std::shared_future<request_id> id) {
  answer_callbacks out;
  if (c.on_tokens != nullptr)
    out.on_tokens = [c, id](std::string_view text, const std::vector<sampled_token>& tokens) {
      in_callback here;
      std::vector<std::int32_t> ids;
      for (auto& sampled : tokens) ids.push_back(sampled.token);
      c.on_tokens(c.user, id.get().value, text.data(), text.size(), ids.data(), ids.size());
    };
  if (c.on_end != nullptr)
    out.on_end = [c, id = std::move(id)](const answer& all) {
      in_callback here;
      troupe_answer shown{all};
      c.on_end(c.user, id.get().value, &shown);
    };
  return out;
}

refusal check_engine(const troupe_engine* engine) {
  if (engine == nullptr) return refuse_member("engine", "is null");
  return nothing{};
}

refusal start(troupe_engine* engine, const troupe_request* request, const c_callbacks& c,
              std::uint64_t* id) {
  if (auto fine = check_engine(engine); !fine) return fine;
  auto wanted = read_request(engine->client.parts(), request);
  if (!wanted) return wanted.error();
  std::promise<request_id> known;
  auto began =
      engine->client.generate(wanted->prompt, wanted->options, wrap(c, known.get_future().share()));
  if (!began) return began.error();
  if (id != nullptr) *id = began->value;
  known.set_value(*began);
  return nothing{};
}

}  // namespace
}  // namespace troupe

using namespace troupe;

const char* troupe_version(void) { return library_version().data(); }
int troupe_abi_version(void) { return TROUPE_ABI_VERSION; }

void troupe_engine_options_init(troupe_engine_options* options, size_t size) {
  guarded(nullptr, [&] { return write_options(options, size); });
}

troupe_code troupe_engine_start(const troupe_engine_options* options, troupe_engine** engine,
                                troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (engine == nullptr) return refuse_member("engine", "is null");
    *engine = nullptr;
    auto read = read_options(options);
    if (!read) return read.error();
    auto made = start_client(*read);
    if (!made) return made.error();
    *engine = new troupe_engine{*std::move(made)};
    return nothing{};
  });
}

void troupe_engine_free(troupe_engine* engine) {
  if (callback_depth == 0) {
    delete engine;
    return;
  }
  // The engine's end waits for this callback.
  guarded(nullptr, [engine]() -> refusal {
    std::thread([engine] { delete engine; }).detach();
    return nothing{};
  });
}

troupe_code troupe_request_init(const troupe_engine* engine, troupe_request* request, size_t size) {
  return guarded(nullptr, [&]() -> refusal {
    if (auto fine = check_engine(engine); !fine) return fine;
    return write_request(engine->client.parts(), request, size);
  });
}

troupe_code troupe_generate(troupe_engine* engine, const troupe_request* request,
                            troupe_on_tokens on_tokens, troupe_on_end on_end, void* user,
                            uint64_t* id, troupe_failure* why) {
  return guarded(why, [&] { return start(engine, request, {on_tokens, on_end, user}, id); });
}

void troupe_cancel(troupe_engine* engine, uint64_t id) {
  guarded(nullptr, [&]() -> refusal {
    if (engine != nullptr) engine->client.cancel({id});
    return nothing{};
  });
}

troupe_code troupe_complete(troupe_engine* engine, const troupe_request* request,
                            troupe_answer** answer, troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (answer == nullptr) return refuse_member("answer", "is null");
    *answer = nullptr;
    if (callback_depth != 0)
      return failure{error_code::unsupported, "a callback must not wait for an answer", "", {}};
    if (auto fine = check_engine(engine); !fine) return fine;
    auto wanted = read_request(engine->client.parts(), request);
    if (!wanted) return wanted.error();
    auto began = engine->client.generate(wanted->prompt, wanted->options);
    if (!began) return began.error();
    *answer = new troupe_answer{began->result.get()};
    return nothing{};
  });
}

const char* troupe_answer_text(const troupe_answer* answer) {
  return answer == nullptr ? "" : answer->value.text.c_str();
}
size_t troupe_answer_text_size(const troupe_answer* answer) {
  return answer == nullptr ? 0 : answer->value.text.size();
}
const int32_t* troupe_answer_tokens(const troupe_answer* answer) {
  return answer == nullptr ? nullptr : answer->value.tokens.data();
}
size_t troupe_answer_num_tokens(const troupe_answer* answer) {
  return answer == nullptr ? 0 : answer->value.tokens.size();
}
troupe_finish_reason troupe_answer_finish_reason(const troupe_answer* answer) {
  return answer == nullptr ? TROUPE_FINISH_FAILED
                           : static_cast<troupe_finish_reason>(answer->value.why);
}
uint32_t troupe_answer_prompt_tokens(const troupe_answer* answer) {
  return answer == nullptr ? 0 : answer->value.usage.prompt_tokens;
}
uint32_t troupe_answer_cached_tokens(const troupe_answer* answer) {
  return answer == nullptr ? 0 : answer->value.usage.cached_tokens;
}

troupe_code troupe_answer_failure(const troupe_answer* answer, troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (answer == nullptr) return refuse_member("answer", "is null");
    auto& all = answer->value;
    if (all.why != finish_reason::failed && all.why != finish_reason::timed_out) return nothing{};
    return all.error;
  });
}

void troupe_answer_free(troupe_answer* answer) { delete answer; }

troupe_code troupe_tokenize(const troupe_engine* engine, const char* text, size_t text_size,
                            int32_t* tokens, size_t capacity, size_t* size, troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (auto fine = check_engine(engine); !fine) return fine;
    if (text == nullptr) return refuse_member("text", "is null");
    auto ids = engine->client.parts().words()->encode({text, text_size});
    return copy_out(std::span<const token_id>(ids), tokens, capacity, size);
  });
}

troupe_code troupe_detokenize(const troupe_engine* engine, const int32_t* tokens, size_t num_tokens,
                              char* text, size_t capacity, size_t* size, troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (auto fine = check_engine(engine); !fine) return fine;
    if (tokens == nullptr && num_tokens != 0) return refuse_member("tokens", "is null");
    std::vector<token_id> ids(tokens, tokens + num_tokens);
    return copy_out(engine->client.parts().words()->decode(ids, true), text, capacity, size);
  });
}

troupe_code troupe_chat_prompt(const troupe_engine* engine, const troupe_turn* turns,
                               size_t num_turns, int32_t* tokens, size_t capacity, size_t* size,
                               troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (auto fine = check_engine(engine); !fine) return fine;
    auto talk = read_turns(turns, num_turns);
    if (!talk) return talk.error();
    auto ids = engine->client.parts().chat_prompt(*talk);
    if (!ids) return ids.error();
    return copy_out(std::span<const token_id>(*ids), tokens, capacity, size);
  });
}

troupe_code troupe_metrics(const troupe_engine* engine, char* text, size_t capacity, size_t* size,
                           troupe_failure* why) {
  return guarded(why, [&]() -> refusal {
    if (auto fine = check_engine(engine); !fine) return fine;
    auto rendered = engine->client.parts().metrics();
    if (!rendered) return rendered.error();
    return copy_out(*rendered, text, capacity, size);
  });
}

uint32_t troupe_max_model_len(const troupe_engine* engine) {
  return engine == nullptr ? 0 : engine->client.parts().limits().max_model_len;
}
