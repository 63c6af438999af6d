// Schemas against recorded verdicts: the official test suite, real schemas, other engines' tests.
// One thing is never forgiven: a text that the schema does not allow.
#include "grammar_tester.hpp"

#include <algorithm>
#include <map>

namespace troupe {
namespace {

struct tally {
  int passed = 0, refused = 0, valid_rejected = 0, invalid_accepted = 0, compiled = 0, schemas = 0;
  std::map<std::string, int> reasons;

  void print(const std::string& what) const {
    MESSAGE(what << ": " << schemas << " schemas, " << compiled << " compiled; instances: "
                 << passed << " passed, " << refused << " refused, " << valid_rejected
                 << " valid rejected, " << invalid_accepted << " invalid accepted");
    const char* verbose = std::getenv("TROUPE_GRAMMAR_VERBOSE");
    if (verbose == nullptr) return;
    std::vector<std::pair<int, std::string>> sorted;
    for (const auto& [why, count] : reasons) sorted.emplace_back(count, why);
    std::sort(sorted.rbegin(), sorted.rend());
    for (const auto& [count, why] : sorted) MESSAGE(count << " x " << why);
  }
};

void complain(const std::string& what, const std::string& name, const std::string& text) {
  if (std::getenv("TROUPE_GRAMMAR_VERBOSE") != nullptr)
    MESSAGE(what << ": " << name << ": " << text);
}

// The end of what was accepted of `text`, and what was not.
std::string explained(const token_constraint_ptr& made, const std::string& text) {
  const auto& grammar = bytes_of(made);
  grammar::thread_set at = grammar.begin();
  std::size_t length = 0;
  while (length < text.size() && grammar.accept(at, std::string_view(text).substr(length, 1))) {
    ++length;
  }
  const std::size_t begin = length < 300 ? 0 : length - 300;
  return text.substr(begin, length - begin) + " <<here>> " + text.substr(length, 60);
}

std::string spelled(const json_value& value) {
  std::string out;
  append_json_python(out, value);
  return out;
}

// Writes a value with the members of its objects in whatever order the grammar wants: a grammar
// fixes the order, a recorded instance may have another.
class writer {
 public:
  // Names in the order of the schema are a good guess: where they stand first, or last, as
  // definitions stand before what uses them or behind.
  writer(const grammar::compiled_grammar& made, const json_value& schema, bool by_last)
      : grammar_(made), by_last_(by_last) {
    rank(schema);
  }

  bool accepts(const json_value& value) {
    grammar::thread_set at = grammar_.begin();
    return write(at, value) && grammar_.may_end(at);
  }

 private:
  void rank(const json_value& schema) {
    if (const json_array* items = schema.as_array()) {
      for (const json_value& item : *items) rank(item);
    } else if (const json_object* members = schema.as_object()) {
      for (const auto& [name, value] : *members) {
        ++num_names_;
        if (by_last_) ranks_[name] = num_names_;
        ranks_.try_emplace(name, num_names_);
        rank(value);
      }
    }
  }

  bool write(grammar::thread_set& at, const json_value& value) {
    if (++steps_ > 1'000) return false;
    if (const json_array* items = value.as_array()) {
      if (!grammar_.accept(at, "[")) return false;
      for (std::size_t i = 0; i < items->size(); ++i) {
        if (i > 0 && !grammar_.accept(at, ", ")) return false;
        if (!write(at, (*items)[i])) return false;
      }
      return grammar_.accept(at, "]");
    }
    const json_object* members = value.as_object();
    if (members == nullptr) return grammar_.accept(at, spelled(value));
    std::vector<const json_member*> left;
    for (const json_member& member : *members) left.push_back(&member);
    const auto rank_of = [&](const json_member* member) {
      const auto found = ranks_.find(member->first);
      return found == ranks_.end() ? num_names_ + 1 : found->second;
    };
    std::stable_sort(left.begin(), left.end(), [&](const json_member* a, const json_member* b) {
      return rank_of(a) < rank_of(b);
    });
    return grammar_.accept(at, "{") && write_members(at, left, true);
  }

  bool write_members(grammar::thread_set& at, std::vector<const json_member*> left, bool first) {
    if (left.empty()) return grammar_.accept(at, "}");
    if (!first && !grammar_.accept(at, ", ")) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      grammar::thread_set moved = at;
      std::string key;
      append_json_string(key, left[i]->first);
      if (!grammar_.accept(moved, key + ": ") || !write(moved, left[i]->second)) continue;
      std::vector<const json_member*> others = left;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      if (!write_members(moved, std::move(others), false)) continue;
      at = std::move(moved);
      return true;
    }
    return false;
  }

  const grammar::compiled_grammar& grammar_;
  bool by_last_;
  std::map<std::string, std::size_t> ranks_;
  std::size_t num_names_ = 0;
  int steps_ = 0;
};

void judge(bool accepted, bool valid, const token_constraint_ptr& made, const std::string& text,
           const std::string& name, tally& out) {
  if (accepted == valid) {
    ++out.passed;
  } else if (accepted) {
    ++out.invalid_accepted;
    complain("INVALID ACCEPTED", name, text);
  } else {
    ++out.valid_rejected;
    complain("valid rejected", name, explained(made, text));
  }
}

token_constraint_ptr compile_counted(const json_value& schema, const schema_options& options,
                                     const std::string& name, tally& out) {
  ++out.schemas;
  auto made = small_compiler().json_schema(schema, options);
  if (made) {
    ++out.compiled;
    return made->constraint;
  }
  ++out.reasons[made.error().message().substr(0, 70)];
  complain("refused", name, made.error().message());
  return nullptr;
}

void run_group(const json_value& group, const std::string& name, const schema_options& options,
               tally& out) {
  const json_value* schema = group.find("schema");
  const json_array* tests = group.find("tests")->as_array();
  const auto made = compile_counted(*schema, options, name, out);
  for (const json_value& test : *tests) {
    if (!made) {
      ++out.refused;
      continue;
    }
    const json_value& data = *test.find("data");
    const std::string text = spelled(data);
    const bool accepted = accepts(made, text) ||
                          writer(bytes_of(made), *schema, false).accepts(data) ||
                          writer(bytes_of(made), *schema, true).accepts(data);
    judge(accepted, bool_of(test, "valid"), made, text, name, out);
  }
}

tally run_suite(const std::string& draft, std::string_view schema_uri,
                const schema_options& options = {}) {
  const auto folder = std::filesystem::path("jsonschema/JSON-Schema-Test-Suite/tests") / draft;
  tally all;
  if (!has_shared(folder)) return all;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(shared_data() / folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const auto groups = read_json_file(file);
    REQUIRE(groups);
    for (const json_value& group : *groups->as_array()) {
      json_value stamped = group;  // the draft is known from the folder
      const json_value* schema = group.find("schema");
      if (schema->as_object() != nullptr && schema->find("$schema") == nullptr) {
        json_object members{{"$schema", json_value(std::string(schema_uri))}};
        members.insert(members.end(), schema->as_object()->begin(), schema->as_object()->end());
        stamped = json_value(
            json_object{{"schema", json_value(members)}, {"tests", *group.find("tests")}});
      }
      run_group(stamped, file.stem().string() + ": " + string_of(group, "description"), options,
                all);
    }
  }
  all.print(draft);
  return all;
}

constexpr const char* uri_2020 = "https://json-schema.org/draft/2020-12/schema";
constexpr const char* uri_7 = "http://json-schema.org/draft-07/schema#";

void check_suite(const tally& all) {
  CHECK(all.invalid_accepted == 0);
  CHECK(all.passed * 100 >= 75 * (all.passed + all.refused + all.valid_rejected));
}

TEST_CASE("the official test suite, 2020-12") { check_suite(run_suite("draft2020-12", uri_2020)); }

TEST_CASE("the official test suite, draft 7") { check_suite(run_suite("draft7", uri_7)); }

// What is dropped may only widen what is allowed: no valid text is lost by it.
TEST_CASE("leniently the suites lose no valid text") {
  for (const auto& [draft, uri] :
       {std::pair("draft2020-12", uri_2020), std::pair("draft7", uri_7)}) {
    const tally strictly = run_suite(draft, uri);
    const tally leniently = run_suite(draft, uri, {.lenient = true});
    CHECK(leniently.valid_rejected == strictly.valid_rejected);
    CHECK(leniently.compiled >= strictly.compiled);
  }
}

TEST_CASE("leniently schemas of the wild lose no valid text") {
  if (!has_shared("jsonschema/maskbench_public.jsonl")) return;
  tally all;
  for (const json_value& row : read_json_lines("jsonschema/maskbench_public.jsonl")) {
    if (small_compiler().json_schema(*row.find("schema"))) continue;
    run_group(row, string_of(row, "file"), {.lenient = true}, all);
  }
  all.print("maskbench, leniently");
  CHECK(all.valid_rejected <= 5);  // for these the writer finds no order of the members
}

TEST_CASE("schemas of the wild") {
  if (!has_shared("jsonschema/maskbench_public.jsonl")) return;
  tally all;
  for (const json_value& row : read_json_lines("jsonschema/maskbench_public.jsonl")) {
    run_group(row, string_of(row, "file"), {}, all);
  }
  all.print("maskbench");
  CHECK(all.invalid_accepted == 0);
  CHECK(all.compiled * 100 >= 88 * all.schemas);
}

TEST_CASE("schemas of other engines' tests") {
  if (!has_shared("jsonschema/engine_tests_public.jsonl")) return;
  tally all;
  for (const json_value& row : read_json_lines("jsonschema/engine_tests_public.jsonl")) {
    schema_options options;
    options.whitespace = schema_options::blanks::any;
    std::string name;
    append_json(name, *row.find("schema"));
    const auto made = compile_counted(*row.find("schema"), options, name.substr(0, 300), all);
    for (const json_value& test : *row.find("tests")->as_array()) {
      if (!made) {
        ++all.refused;
        continue;
      }
      const std::string text = string_of(test, "text");
      judge(accepts(made, text), bool_of(test, "accept"), made, text, name.substr(0, 300), all);
    }
  }
  all.print("engine tests");
  CHECK(all.invalid_accepted == 0);
}

void run_policy(const json_value& row, tally& all) {
  const std::string name = string_of(row, "id") + " " + string_of(row, "name");
  CAPTURE(name);
  const bool wants_error = string_of(row, "expect") == "error";
  const auto made = compile_counted(*row.find("schema"), {}, name, all);
  if (!made) {
    const auto why = small_compiler().json_schema(*row.find("schema"));
    const json_value* alternative = row.find(wants_error ? "pointer" : "or_error");
    CHECK_MESSAGE(alternative != nullptr, why.error().message());
    if (alternative != nullptr) CHECK(why.error().why.pointer == *alternative->as_string());
    return;
  }
  CHECK((!wants_error || bool_of(row, "may_support")));
  for (const auto& [key, valid] : {std::pair("accept", true), std::pair("reject", false),
                                   std::pair("reject_generator", false)}) {
    const json_value* list = row.find(key);
    if (list == nullptr) continue;
    for (const json_value& text : *list->as_array()) {
      CAPTURE(*text.as_string());
      CHECK(accepts(made, *text.as_string()) == valid);
    }
  }
}

TEST_CASE("the behaviour that was agreed on") {
  if (!has_shared("jsonschema/policy_public.jsonl")) return;
  tally all;
  for (const json_value& row : read_json_lines("jsonschema/policy_public.jsonl")) {
    run_policy(row, all);
  }
}

}  // namespace
}  // namespace troupe
