// The flat C ABI: misuse is refused in words, never by a crash.
#include "troupe/troupe.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

struct engine_guard {
  explicit engine_guard(const char* device) {
    troupe_engine_options options;
    troupe_engine_options_init(&options, sizeof(options));
    options.model_dir = TROUPE_DEMO_MODEL;
    options.device = device;
    options.num_kv_pages = 128;
    options.max_model_len = 1024;
    options.threads = 1;
    troupe_failure why;
    REQUIRE_MESSAGE(troupe_engine_start(&options, &engine, &why) == TROUPE_OK, why.message);
    REQUIRE(troupe_request_init(engine, &request, sizeof(request)) == TROUPE_OK);
    request.text = "Hello! Who are you?";
  }
  ~engine_guard() { troupe_engine_free(engine); }
  engine_guard(const engine_guard&) = delete;
  engine_guard& operator=(const engine_guard&) = delete;

  // The member that is to blame.
  std::string refused(const troupe_request* wanted) const {
    troupe_failure why;
    auto* answer = reinterpret_cast<troupe_answer*>(1);
    CHECK(troupe_complete(engine, wanted, &answer, &why) == TROUPE_INVALID_ARGUMENT);
    CHECK(answer == nullptr);
    CHECK(std::strlen(why.message) > 0);
    return why.field;
  }
  std::string refused_with(void (*change)(troupe_request&)) const {
    auto changed = request;
    change(changed);
    return refused(&changed);
  }

  troupe_engine* engine = nullptr;
  troupe_request request;
};

std::string refused_options(void (*change)(troupe_engine_options&)) {
  troupe_engine_options options;
  troupe_engine_options_init(&options, sizeof(options));
  options.model_dir = TROUPE_DEMO_MODEL;
  options.device = "null";
  change(options);
  troupe_failure why;
  auto* engine = reinterpret_cast<troupe_engine*>(1);
  CHECK(troupe_engine_start(&options, &engine, &why) != TROUPE_OK);
  CHECK(engine == nullptr);
  return why.field;
}

struct ears {
  std::atomic<int> num_ends = 0;
  std::promise<int> over;
};

void note_end(void* user, uint64_t, const troupe_answer* answer) {
  auto* e = static_cast<ears*>(user);
  if (++e->num_ends == 1) e->over.set_value(troupe_answer_finish_reason(answer));
}

}  // namespace

TEST_CASE("nulls are refused, ignored or empty") {
  troupe_failure why;
  CHECK(std::string(troupe_version()).find('.') != std::string::npos);
  CHECK(troupe_abi_version() == TROUPE_ABI_VERSION);
  troupe_engine_options_init(nullptr, 100);
  troupe_engine* engine = nullptr;
  CHECK(troupe_engine_start(nullptr, &engine, &why) == TROUPE_INVALID_ARGUMENT);
  CHECK(std::string(why.field) == "engine_options");
  CHECK(troupe_engine_start(nullptr, nullptr, nullptr) == TROUPE_INVALID_ARGUMENT);
  troupe_engine_free(nullptr);
  troupe_cancel(nullptr, 1);
  troupe_answer_free(nullptr);
  troupe_request request;
  CHECK(troupe_request_init(nullptr, &request, sizeof(request)) == TROUPE_INVALID_ARGUMENT);
  CHECK(troupe_generate(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, &why) ==
        TROUPE_INVALID_ARGUMENT);
  CHECK(std::string(why.field) == "engine");
  CHECK(troupe_complete(nullptr, nullptr, nullptr, nullptr) == TROUPE_INVALID_ARGUMENT);
  CHECK(std::string(troupe_answer_text(nullptr)).empty());
  CHECK(troupe_answer_num_tokens(nullptr) == 0);
  CHECK(troupe_answer_failure(nullptr, &why) == TROUPE_INVALID_ARGUMENT);
  CHECK(troupe_tokenize(nullptr, "a", 1, nullptr, 0, nullptr, &why) == TROUPE_INVALID_ARGUMENT);
  CHECK(troupe_metrics(nullptr, nullptr, 0, nullptr, nullptr) == TROUPE_INVALID_ARGUMENT);
  CHECK(troupe_max_model_len(nullptr) == 0);
}

TEST_CASE("engine options are refused by member") {
  using options = troupe_engine_options;
  CHECK(refused_options([](options& o) { o.size = 0; }) == "size");
  CHECK(refused_options([](options& o) { o.size += 8; }) == "size");
  CHECK(refused_options([](options& o) { o.model_dir = nullptr; }) == "model_dir");
  CHECK(refused_options([](options& o) { o.device = "abacus"; }) == "device");
  CHECK(refused_options([](options& o) { o.dtype = "float8"; }) == "dtype");
  CHECK(refused_options([](options& o) { o.weights = nullptr; }) == "weights");
  CHECK(refused_options([](options& o) { o.max_num_seqs = 0; }) == "max_num_seqs");
  CHECK(refused_options([](options& o) { o.max_model_len = 1U << 30; }) == "max_model_len");
  CHECK(refused_options([](options& o) { o.num_kv_pages = 9, o.kv_cache_bytes = 9; }) ==
        "num_kv_pages");
}

TEST_CASE("requests are refused by member") {
  engine_guard here("null");
  using request = troupe_request;
  CHECK(here.refused(nullptr) == "request");
  CHECK(here.refused_with([](request& r) { r.size = 3; }) == "size");
  CHECK(here.refused_with([](request& r) { r.size = 100'000; }) == "size");
  CHECK(here.refused_with([](request& r) { r.text = nullptr; }) == "text");
  CHECK(here.refused_with([](request& r) {
    static const int32_t one = 1;
    r.tokens = &one, r.num_tokens = 1;
  }) == "text");
  CHECK(here.refused_with([](request& r) { r.text = ""; }) == "prompt");
  CHECK(here.refused_with([](request& r) { r.top_p = 0; }) == "top_p");
  CHECK(here.refused_with([](request& r) { r.max_tokens = 5000; }) == "max_tokens");
  CHECK(here.refused_with([](request& r) { r.num_stop = 1; }) == "stop");
  CHECK(here.refused_with([](request& r) { r.json_schema = "{"; }) == "form");
  CHECK(here.refused_with([](request& r) { r.json_schema = r.regex = "1"; }) == "json_schema");
  CHECK(here.refused_with([](request& r) {
    static const troupe_turn turn = {"user", nullptr};
    r.text = nullptr, r.turns = &turn, r.num_turns = 1;
  }) == "turns");
}

TEST_CASE("a struct of an older caller means the defaults for the rest") {
  engine_guard here("null");
  auto old = here.request;
  old.size = offsetof(troupe_request, json_schema);
  old.json_schema = "not looked at";
  troupe_answer* answer = nullptr;
  REQUIRE(troupe_complete(here.engine, &old, &answer, nullptr) == TROUPE_OK);
  CHECK(troupe_answer_failure(answer, nullptr) == TROUPE_OK);
  CHECK(troupe_answer_num_tokens(answer) == old.max_tokens);
  CHECK(troupe_answer_tokens(answer) != nullptr);
  CHECK(std::strlen(troupe_answer_text(answer)) == troupe_answer_text_size(answer));
  CHECK(troupe_answer_prompt_tokens(answer) > 0);
  troupe_answer_free(answer);
}

TEST_CASE("init writes no more than the caller has, and says what it wrote") {
  struct {
    troupe_engine_options options;
    char beyond[16];
  } here;
  std::memset(&here, 'x', sizeof(here));
  troupe_engine_options_init(&here.options, offsetof(troupe_engine_options, seed));
  CHECK(here.options.size == offsetof(troupe_engine_options, seed));
  CHECK(std::string(here.options.weights) == "auto");
  CHECK(reinterpret_cast<const char*>(&here.options.seed)[0] == 'x');
  // A caller that knows more than the library.
  troupe_engine_options_init(&here.options, sizeof(here));
  CHECK(here.options.size == sizeof(troupe_engine_options));
  CHECK(here.options.max_num_seqs == 64);
  CHECK(here.beyond[0] == 0);
  troupe_engine_options_init(&here.options, 3);
  CHECK(here.options.max_num_seqs == 64);
  engine_guard one("null");
  CHECK(troupe_request_init(one.engine, &one.request, 3) == TROUPE_INVALID_ARGUMENT);
}

TEST_CASE("texts and tokens, cut to the room that there is") {
  engine_guard here("null");
  const std::string text = "Hello! Who are you?";
  std::size_t size = 0;
  REQUIRE(troupe_tokenize(here.engine, text.data(), text.size(), nullptr, 0, &size, nullptr) ==
          TROUPE_OK);
  std::vector<int32_t> tokens(size);
  REQUIRE(troupe_tokenize(here.engine, text.data(), text.size(), tokens.data(), size, &size,
                          nullptr) == TROUPE_OK);
  char out[8] = "xxxxxxx";
  REQUIRE(troupe_detokenize(here.engine, tokens.data(), tokens.size(), out, sizeof(out), &size,
                            nullptr) == TROUPE_OK);
  CHECK(size == text.size());
  CHECK(std::string(out) == text.substr(0, 7));
  const int32_t strange[] = {-5, 2'000'000'000};
  CHECK(troupe_detokenize(here.engine, strange, 2, out, 1, &size, nullptr) == TROUPE_OK);
  CHECK(size == 0);
  troupe_failure why;
  CHECK(troupe_tokenize(here.engine, "a", 1, nullptr, 5, &size, &why) == TROUPE_INVALID_ARGUMENT);
  CHECK(std::string(why.field) == "capacity");
  const troupe_turn turns[] = {{"user", "Hi"}};
  CHECK(troupe_chat_prompt(here.engine, turns, 1, nullptr, 0, &size, nullptr) == TROUPE_OK);
  CHECK(size > 5);
  CHECK(troupe_metrics(here.engine, nullptr, 0, &size, nullptr) == TROUPE_OK);
  CHECK(size > 1000);
}

TEST_CASE("long refusals are cut between characters") {
  engine_guard here("null");
  auto request = here.request;
  std::string schema = R"({"type": ")";
  for (int i = 0; i < 600; ++i) schema += "é";
  schema += "\"}";
  request.json_schema = schema.c_str();
  troupe_answer* answer = nullptr;
  REQUIRE(troupe_complete(here.engine, &request, &answer, nullptr) == TROUPE_OK);
  troupe_failure why;
  CHECK(troupe_answer_failure(answer, &why) != TROUPE_OK);
  CHECK(std::string(why.field) == "form");
  CHECK(std::strlen(why.message) < sizeof(why.message));
  troupe_answer_free(answer);
}

TEST_CASE("cancel, and an engine that goes while it answers") {
  ears cancelled, lost;
  {
    engine_guard here("sim");
    auto request = here.request;
    request.ignore_eos = 1;
    request.max_tokens = 900;
    uint64_t id = 0;
    REQUIRE(troupe_generate(here.engine, &request, nullptr, &note_end, &cancelled, &id, nullptr) ==
            TROUPE_OK);
    CHECK(id != 0);
    troupe_cancel(here.engine, id);
    CHECK(cancelled.over.get_future().get() == TROUPE_FINISH_CANCELLED);
    REQUIRE(troupe_generate(here.engine, &request, nullptr, &note_end, &lost, nullptr, nullptr) ==
            TROUPE_OK);
  }
  CHECK(lost.over.get_future().get() == TROUPE_FINISH_FAILED);
  CHECK(cancelled.num_ends == 1);
  CHECK(lost.num_ends == 1);
}

TEST_CASE("a callback must not wait, but may free its engine") {
  struct frame {
    troupe_engine* engine;
    troupe_request request;
    std::promise<troupe_code> waited;
    std::promise<void> later;
  };
  auto* here = new engine_guard("null");
  frame f{here->engine, here->request, {}, {}};
  auto on_end = [](void* user, uint64_t, const troupe_answer*) {
    auto* mine = static_cast<frame*>(user);
    troupe_answer* answer = nullptr;
    mine->waited.set_value(troupe_complete(mine->engine, &mine->request, &answer, nullptr));
    troupe_engine_free(mine->engine);
    mine->later.set_value();
  };
  REQUIRE(troupe_generate(f.engine, &f.request, nullptr, on_end, &f, nullptr, nullptr) ==
          TROUPE_OK);
  CHECK(f.waited.get_future().get() == TROUPE_UNSUPPORTED);
  CHECK(f.later.get_future().wait_for(10s) == std::future_status::ready);
  here->engine = nullptr;
  delete here;
  std::this_thread::sleep_for(200ms);  // the engine's last threads end before the process does
}
