#include "cli/config_sources.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>

#include "cli/flags.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

// A file that lives as long as the test.
class temp_file {
 public:
  explicit temp_file(const std::string& text) {
    path_ = (std::filesystem::temp_directory_path() /
             ("troupe-config-" + std::to_string(getpid()) + ".toml"))
                .string();
    std::ofstream(path_) << text;
  }
  ~temp_file() { std::filesystem::remove(path_); }
  temp_file(const temp_file&) = delete;
  temp_file& operator=(const temp_file&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

enum class color { red, green };

// A command with one flag of every kind.
struct command {
  std::string model;
  std::uint32_t num = 8;
  double share = 0.5;
  bool cache = true, plan = false, log = true;
  std::chrono::milliseconds timeout{1500};
  std::uint64_t bytes = 8U << 20;
  std::optional<std::uint64_t> exact_bytes;
  color tint = color::red;
  std::vector<std::string> keys, origins;
  std::string cert, key_file;

  CLI::App app{"", "troupe"};
  std::optional<config_sources> sources;

  command() {
    auto* sub = app.add_subcommand("serve");
    sub->add_option("model", model)->required();
    sub->add_option("--max-num-seqs", num)
        ->check(CLI::Range(1U, 4096U))
        ->capture_default_str()
        ->group("Engine");
    sub->add_option("--share", share)->capture_default_str()->group("Engine");
    add_switch(sub, "--cache,!--no-cache", cache, "")->group("Engine");
    add_switch(sub, "--plan", plan, "");
    add_switch(sub, "!--no-log", log, "");
    add_time(sub, "--idle-timeout", timeout, "")->group("Limits");
    auto* bytes_option = add_bytes(sub, "--max-bytes", bytes, "")->group("Limits");
    add_bytes(sub, "--exact-bytes", exact_bytes, "")->excludes(bytes_option)->group("Limits");
    add_choice<color>(sub, "--tint", tint, {{"red", color::red}, {"green", color::green}}, "");
    sub->add_option("--api-key", keys);
    sub->add_option("--cors-origin", origins)->delimiter(',');
    auto* cert_option = sub->add_option("--tls-cert", cert);
    sub->add_option("--tls-key", key_file)->needs(cert_option);
    sources.emplace(sub);
  }

  // The failure's sentence, or empty.
  std::string run(std::string line, const environment& variables = {}) {
    app.parse("serve " + line);
    auto done = sources->complete(variables);
    return done ? "" : done.error().message;
  }
  std::string printed() const {
    std::ostringstream out;
    sources->print(out);
    return out.str();
  }
};

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  bool found = text.find(part) != std::string::npos;
  CHECK_MESSAGE(found, part);
  return found;
}

}  // namespace

TEST_CASE("the command line goes before the environment, before the file, before the default") {
  temp_file file("max-num-seqs = 3\nidle-timeout = '3s'\nmax_bytes = '3KiB'\nshare = 0.3\n");
  command it;
  CHECK(it.run("m --max-num-seqs 1 --config " + file.path(),
               {{"TROUPE_MAX_NUM_SEQS", "2"}, {"TROUPE_IDLE_TIMEOUT", "2s"}, {"PATH", "/bin"}}) ==
        "");
  CHECK(it.num == 1);
  CHECK(it.timeout == 2s);
  CHECK(it.bytes == 3072);
  CHECK(it.share == 0.3);
  CHECK(it.tint == color::red);
  auto text = it.printed();
  has(text, "max-num-seqs = 1  # from command line\n");
  has(text, "idle-timeout = \"2s\"  # from environment TROUPE_IDLE_TIMEOUT\n");
  has(text, "max-bytes = \"3KiB\"  # from file " + file.path() + ":3\n");
  has(text, "tint = \"red\"  # default\n");
  has(text, "# exact-bytes is not set\n");
}

TEST_CASE("every kind of flag is read from a file, flat or in the tables of --help") {
  temp_file file(R"(model = "dir"
plan = true
tint = "green"
api-key = ["a", "b"]
cors_origin = ["x", "y"]
[engine]
cache = false
share = 1
[limits]
idle-timeout = 30
exact_bytes = "1GiB"
)");
  command it;
  CHECK(it.run("--config " + file.path()) == "");
  CHECK(it.model == "dir");
  CHECK(it.plan);
  CHECK(it.tint == color::green);
  CHECK(it.keys == std::vector<std::string>{"a", "b"});
  CHECK(it.origins == std::vector<std::string>{"x", "y"});
  CHECK_FALSE(it.cache);
  CHECK(it.share == 1);
  CHECK(it.timeout == 30s);
  CHECK(it.exact_bytes == 1U << 30);
}

TEST_CASE("every kind of flag is read from a variable; an empty one is none") {
  command it;
  CHECK(it.run("", {{"TROUPE_MODEL", "dir"},
                    {"TROUPE_CACHE", "off"},
                    {"TROUPE_PLAN", "1"},
                    {"TROUPE_API_KEY", "a, b"},
                    {"TROUPE_CORS_ORIGIN", "x,y"},
                    {"TROUPE_MAX_NUM_SEQS", ""},
                    {"TROUPE_JOBS", "2"},
                    {"TROUPE_SERVICE_HOST", "10.0.0.1"},
                    {"TROUPE_PORT_80_TCP", "tcp://10.0.0.1:80"}}) == "");
  CHECK(it.model == "dir");
  CHECK_FALSE(it.cache);
  CHECK(it.plan);
  CHECK(it.keys == std::vector<std::string>{"a", "b"});
  CHECK(it.origins == std::vector<std::string>{"x", "y"});
  CHECK(it.num == 8);
}

TEST_CASE("a flag that only says no means no in every source") {
  for (auto word : {"true", "false"}) {
    bool is_off = word == std::string("true");
    temp_file file("no-log = " + std::string(word) + "\n");
    command from_file, from_variable;
    CHECK(from_file.run("m --config " + file.path()) == "");
    CHECK(from_file.log == !is_off);
    has(from_file.printed(), "no-log = " + std::string(word) + "  # from file");
    CHECK(from_variable.run("m", {{"TROUPE_NO_LOG", word}}) == "");
    CHECK(from_variable.log == !is_off);
  }
  command given, open;
  CHECK(given.run("m --no-log --no-cache") == "");
  has(given.printed(), "no-log = true  # from command line\n");
  has(given.printed(), "cache = false  # from command line\n");
  CHECK(open.run("m") == "");
  has(open.printed(), "no-log = false  # default\n");
  has(open.printed(), "cache = true  # default\n");
}

TEST_CASE("the file can be named by a variable") {
  temp_file file("max-num-seqs = 3\n");
  command it;
  CHECK(it.run("m", {{"TROUPE_CONFIG", file.path()}}) == "");
  CHECK(it.num == 3);
}

TEST_CASE("a printed configuration reads back as the same one, without the secrets") {
  command it;
  CHECK(it.run("'a \"dir\"' --max-num-seqs 9 --no-cache --api-key s3cret --api-key t "
               "--cors-origin x,y --idle-timeout 250ms --exact-bytes 1.5GB --tint green") == "");
  auto text = it.printed();
  has(text, "# api-key: 2 not shown  # from command line\n");
  CHECK(text.find("s3cret") == std::string::npos);
  temp_file file(text);
  command again;
  CHECK(again.run("--config " + file.path()) == "");
  CHECK(again.model == it.model);
  CHECK(again.model == "a \"dir\"");
  CHECK(again.num == 9);
  CHECK_FALSE(again.cache);
  CHECK(again.origins == it.origins);
  CHECK(again.timeout == 250ms);
  CHECK(again.exact_bytes == 1'500'000'000);
  CHECK(again.tint == color::green);
}

TEST_CASE("an unknown name is refused with its place and the nearest known one") {
  {
    temp_file file("\nmax-num-seq = 3\n");
    has(command().run("m --config " + file.path()),
        file.path() + ":2: unknown key max-num-seq; did you mean max-num-seqs?");
  }
  {
    temp_file file("[engin]\nmax-num-seqs = 3\n");
    has(command().run("m --config " + file.path()), "did you mean [engine]?");
  }
  {
    temp_file file("print-config = true\n");
    has(command().run("m --config " + file.path()), "unknown key print-config");
  }
  has(command().run("m", {{"TROUPE_MAX_NUM_SEQ", "3"}}),
      "unknown variable TROUPE_MAX_NUM_SEQ; did you mean TROUPE_MAX_NUM_SEQS?");
  CHECK(command().run("m", {{"TROUPE_COLOUR", "3"}}) == "unknown variable TROUPE_COLOUR");
}

TEST_CASE("a wrong value is refused with its place and what was expected") {
  struct wrong_line {
    std::string text, why;
  };
  for (auto& [text, why] : std::vector<wrong_line>{
           {"max-num-seqs = 5000", ":1: max-num-seqs: Value 5000 not in range "},
           {"share = 'much'", ":1: share: expected a number, found \"much\""},
           {"idle-timeout = 'soon'", ":1: idle-timeout: expected a time such as 250ms"},
           {"tint = 'blue'", ":1: tint: expected one of {green,red}: blue"},
           {"cache = 'maybe'", ":1: cache: expected true or false, found \"maybe\""},
           {"max-num-seqs = [1, 2]", ":1: max-num-seqs: expected one value, found an array"},
           {"max-num-seqs = 2020-02-02", "expected a string, a number, a boolean"},
           {"api-key = [[1]]", "found an array of something else"},
           {"[engine.deep]\nshare = 1", "found a table in a table"},
           {"share = 1\nengine.share = 2", ":2: share was given before, at"},
           {"share = ", ":1: "},
           {"share = 1\nshare = 2", ":2: "}}) {
    CAPTURE(text);
    temp_file file(text + "\n");
    auto said = command().run("m --config " + file.path());
    has(said, why);
    has(said, file.path());
  }
  has(command().run("m", {{"TROUPE_SHARE", "much"}}), "TROUPE_SHARE: expected a number");
  has(command().run("m --config /nonexistent.toml"), "--config: ");
}

TEST_CASE("what belongs together is checked over all sources") {
  has(command().run(""), "model is required");
  has(command().run("m --exact-bytes 1GiB", {{"TROUPE_MAX_BYTES", "1MiB"}}),
      "(from environment TROUPE_MAX_BYTES)");
  has(command().run("m --tls-key k"), "needs --tls-cert");
  command it;
  CHECK(it.run("m --tls-key k", {{"TROUPE_TLS_CERT", "c"}}) == "");
  CHECK(it.cert == "c");
}

TEST_CASE("numbers and booleans stand bare in TOML, anything else is quoted") {
  for (auto bare : {"0", "8", "-3", "0.5", "true"}) CHECK(toml_value(bare) == bare);
  CHECK(toml_value("08") == "\"08\"");
  CHECK(toml_value("1e5") == "\"1e5\"");
  CHECK(toml_value("") == "\"\"");
  CHECK(toml_value("a\"b\\c\n") == "\"a\\\"b\\\\c\\n\"");
  for (std::string text : {"08", "1e5", "", "a\"b\\c\nd", "18446744073709551615", "0.50", "nan",
                           "\x01", "it's", "2020-02-02"}) {
    auto read = parse_config("k = " + toml_value(text), "f");
    REQUIRE(read);
    CHECK(read->front().values == std::vector<std::string>{text});
  }
}
