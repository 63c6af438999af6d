// Random grammars against an acceptor that knows nothing of languages, frames and threads: it finds
// by iteration which parts of a word each rule matches.
#include "grammar_tester.hpp"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace troupe {
namespace {

struct expression {
  enum class kind { word, set, rule, sequence, choice, repeat };
  kind what = kind::word;
  std::string text;  // of a word; the characters of a set
  std::size_t rule = 0;
  int min = 0, max = 0;  // max < 0: unbounded
  std::vector<expression> parts;
};
using kind = expression::kind;
using random_grammar = std::vector<expression>;  // rule i is named r<i>, rule 0 root

std::string name_of(std::size_t rule) {
  std::string out = "r";
  return rule == 0 ? "root" : out.append(std::to_string(rule));
}

std::string print(const expression& e) {
  std::string out;
  switch (e.what) {
    case kind::word: return '"' + e.text + '"';
    case kind::set: return "[" + e.text + "]";
    case kind::rule: return name_of(e.rule);
    case kind::sequence:
      for (const expression& part : e.parts) out += print(part) + " ";
      return "(" + out + ")";
    case kind::choice:
      for (const expression& part : e.parts) out += (out.empty() ? "" : " | ") + print(part);
      return "(" + out + ")";
    case kind::repeat: break;
  }
  out = print(e.parts[0]);
  if (e.min == 0 && e.max == 1) return out + "?";
  if (e.max < 0 && e.min <= 1) return out + (e.min == 0 ? "*" : "+");
  return out + "{" + std::to_string(e.min) + "," + (e.max < 0 ? "" : std::to_string(e.max)) + "}";
}

class maker {
 public:
  explicit maker(std::uint32_t seed) : random_(seed) {}

  random_grammar make() {
    num_rules_ = 1 + below(4);
    random_grammar out;
    for (std::size_t i = 0; i < num_rules_; ++i) out.push_back(any(3));
    return out;
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }

  expression any(int depth) {
    expression out;
    const std::size_t choice = below(depth == 0 ? 5 : 12);
    if (choice < 2) {
      const std::vector<std::string> words{"a", "b", "ab", "", "ba", "aa"};
      out.text = words[below(words.size())];
    } else if (choice == 2) {
      out.what = kind::set;
      out.text = below(2) == 0 ? "ab" : "b";
    } else if (choice < 5) {
      out.what = kind::rule;
      out.rule = below(num_rules_);
    } else if (choice < 10) {
      out.what = choice < 8 ? kind::sequence : kind::choice;
      for (std::size_t i = 2 + below(2); i > 0; --i) out.parts.push_back(any(depth - 1));
    } else {
      out.what = kind::repeat;
      const std::vector<std::pair<int, int>> counts{{0, 1}, {0, -1}, {1, -1},
                                                    {2, 3}, {0, 2},  {2, -1}};
      std::tie(out.min, out.max) = counts[below(counts.size())];
      out.parts.push_back(any(depth - 1));
    }
    return out;
  }

  std::mt19937 random_;
  std::size_t num_rules_ = 1;
};

// ends[rule][from]: where a text of the rule that begins at `from` may end.
class iterating_acceptor {
 public:
  iterating_acceptor(const random_grammar& grammar, const std::string& word)
      : grammar_(grammar),
        word_(word),
        ends_(grammar.size(), std::vector<std::set<std::size_t>>(word.size() + 1)) {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t rule = 0; rule < grammar.size(); ++rule) {
        for (std::size_t from = 0; from <= word.size(); ++from) {
          auto found = match(grammar[rule], from);
          changed = changed || found.size() > ends_[rule][from].size();
          ends_[rule][from] = std::move(found);
        }
      }
    }
  }

  bool accepts() const { return ends_[0][0].contains(word_.size()); }

 private:
  std::set<std::size_t> match(const expression& e, std::size_t from) const {
    std::set<std::size_t> out;
    switch (e.what) {
      case kind::word:
        if (word_.compare(from, e.text.size(), e.text) == 0) out.insert(from + e.text.size());
        break;
      case kind::set:
        if (from < word_.size() && e.text.find(word_[from]) != std::string::npos) {
          out.insert(from + 1);
        }
        break;
      case kind::rule: return ends_[e.rule][from];
      case kind::choice:
        for (const expression& part : e.parts) out.merge(match(part, from));
        break;
      case kind::sequence:
        out = {from};
        for (const expression& part : e.parts) out = after(part, out);
        break;
      case kind::repeat: {
        std::set<std::size_t> at{from};
        const int most = e.max < 0 ? e.min + static_cast<int>(word_.size()) : e.max;
        if (e.min == 0) out = at;
        for (int i = 1; i <= most; ++i) {
          at = after(e.parts[0], at);
          if (i >= e.min) out.insert(at.begin(), at.end());
        }
      }
    }
    return out;
  }

  std::set<std::size_t> after(const expression& e, const std::set<std::size_t>& starts) const {
    std::set<std::size_t> out;
    for (const std::size_t start : starts) out.merge(match(e, start));
    return out;
  }

  const random_grammar& grammar_;
  const std::string& word_;
  std::vector<std::vector<std::set<std::size_t>>> ends_;
};

struct tally {
  std::size_t num_words = 0, num_accepted = 0;
};

// All words of a and b up to a length, each one's prefixes read once.
void compare(const random_grammar& model, const grammar::compiled_grammar& made,
             const grammar::thread_set* at, const std::string& word, std::size_t room,
             tally& seen) {
  const bool expected = iterating_acceptor(model, word).accepts();
  CHECK_MESSAGE((at != nullptr && made.may_end(*at)) == expected, word);
  ++seen.num_words;
  if (expected) ++seen.num_accepted;
  if (room == 0) return;
  for (const char c : {'a', 'b'}) {
    if (at == nullptr) {
      compare(model, made, nullptr, word + c, room - 1, seen);
      continue;
    }
    grammar::thread_set next = *at;
    const bool fits = made.accept(next, {&c, 1});
    compare(model, made, fits ? &next : nullptr, word + c, room - 1, seen);
  }
}

TEST_CASE("random grammars accept what they describe") {
  std::map<std::string, int> refused;
  tally seen;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    const random_grammar model = maker(seed).make();
    std::string source;
    for (std::size_t i = 0; i < model.size(); ++i) {
      source += name_of(i) + " ::= " + print(model[i]) + "\n";
    }
    CAPTURE(source);
    const auto made = small_compiler().grammar(source);
    if (!made) {
      const std::string why = made.error().why.reason;
      ++refused[why.substr(0, 20)];
      for (const char* word : {"", "a", "b", "ab", "ba", "aab", "abba"}) {
        const std::string text = word;
        const bool expected = iterating_acceptor(model, text).accepts();
        if (why == "rule root has no finite text") CHECK_FALSE(expected);
      }
      continue;
    }
    const auto& grammar = bytes_of(made->constraint);
    const grammar::thread_set start = grammar.begin();
    compare(model, grammar, start.threads.empty() ? nullptr : &start, "", 5, seen);
    if (seed % 8 == 0) CHECK(walk_and_count_errors(made->constraint, seed, 6) == 0);
  }
  for (const auto& [why, count] : refused) MESSAGE(count, " refused: ", why);
  CHECK(seen.num_words > 10'000);
  CHECK(seen.num_accepted > 2'000);
}

}  // namespace
}  // namespace troupe
