#include "text/grammar/ebnf_plan.hpp"

#include <algorithm>
#include <utility>

namespace troupe::grammar {
namespace {

using kind = plan_expression::kind;

constexpr std::size_t max_parts = 128;          // of a sequence; calls in it cost their square
constexpr std::uint32_t max_sequence = 8'192;   // concatenation recurses that deep
constexpr std::ptrdiff_t max_lacking = 512;     // rules in a sequence that may be empty
constexpr std::uint64_t max_repeated = 16'384;  // languages for all mentions of a regular rule

void collect_rules(const ebnf_expression& e, std::vector<ebnf_index>& out) {
  if (e.what == ebnf_expression::kind::rule) out.push_back(e.rule);
  for (const ebnf_expression& part : e.parts) collect_rules(part, out);
}

std::uint32_t sum(std::uint32_t a, std::uint32_t b) {
  return a > unbounded - b ? unbounded : a + b;
}

class ebnf_planner {
 public:
  ebnf_planner(language_pool& pool, const ebnf_grammar& source)
      : pool_(pool), source_(source), known_(source.rules.size()), mentions_(source.rules.size()) {}

  ebnf_plan plan() {
    std::vector<std::vector<ebnf_index>> following(source_.rules.size());
    find_mentions(following);
    find_nullable(following);
    for (const std::vector<ebnf_index>& part : connected_parts(following)) {
      if (!known_[part[0]].is_reached) continue;
      const auto& next = following[part[0]];
      const bool recursive =
          part.size() > 1 || std::find(next.begin(), next.end(), part[0]) != next.end();
      if (recursive) {
        add_recursive(part);
      } else {
        add_plain(part[0]);
      }
    }
    const rule_facts& root = known_[source_.root];
    if (root.is_regular) {
      out_.regular = root.words.words;
    } else {
      out_.root = root.place;
    }
    return std::move(out_);
  }

 private:
  struct rule_facts {
    bool is_reached = false, is_nullable = false, is_regular = false;
    plan_expression words;  // when it is regular
    production_index place = 0;
  };

  void find_mentions(std::vector<std::vector<ebnf_index>>& following) {
    std::vector<ebnf_index> open{source_.root};
    known_[source_.root].is_reached = true;
    mentions_[source_.root] = 1;
    while (!open.empty()) {
      const ebnf_index rule = open.back();
      open.pop_back();
      collect_rules(source_.rules[rule].body, following[rule]);
      for (const ebnf_index next : following[rule]) {
        ++mentions_[next];
        if (known_[next].is_reached) continue;
        known_[next].is_reached = true;
        open.push_back(next);
      }
      std::sort(following[rule].begin(), following[rule].end());
      following[rule].erase(std::unique(following[rule].begin(), following[rule].end()),
                            following[rule].end());
    }
  }

  bool may_be_empty(const ebnf_expression& e) const {
    const auto empty = [this](const ebnf_expression& part) { return may_be_empty(part); };
    switch (e.what) {
      case ebnf_expression::kind::word: return e.word.empty();
      case ebnf_expression::kind::set: return false;
      case ebnf_expression::kind::rule: return known_[e.rule].is_nullable;
      case ebnf_expression::kind::sequence:
        return std::all_of(e.parts.begin(), e.parts.end(), empty);
      case ebnf_expression::kind::choice: return std::any_of(e.parts.begin(), e.parts.end(), empty);
      case ebnf_expression::kind::repeat: return e.min == 0 || may_be_empty(e.parts[0]);
    }
    return false;
  }

  // In rounds: only rules that mention what the last round found are looked at again.
  void find_nullable(const std::vector<std::vector<ebnf_index>>& following) {
    std::vector<std::vector<ebnf_index>> mentioned_by(following.size());
    std::vector<ebnf_index> open;
    for (ebnf_index rule = 0; rule < following.size(); ++rule) {
      for (const ebnf_index next : following[rule]) mentioned_by[next].push_back(rule);
      if (known_[rule].is_reached) open.push_back(rule);
    }
    while (!open.empty()) {
      std::vector<ebnf_index> again;
      for (const ebnf_index rule : open) {
        if (known_[rule].is_nullable || !may_be_empty(source_.rules[rule].body)) continue;
        known_[rule].is_nullable = true;
        again.insert(again.end(), mentioned_by[rule].begin(), mentioned_by[rule].end());
      }
      std::sort(again.begin(), again.end());
      again.erase(std::unique(again.begin(), again.end()), again.end());
      open = std::move(again);
    }
  }

  production_index add_production(production fresh) {
    out_.productions.push_back(std::move(fresh));
    return static_cast<production_index>(out_.productions.size() - 1);
  }

  void add_recursive(const std::vector<ebnf_index>& rules) {
    for (const ebnf_index rule : rules) {
      known_[rule].place =
          add_production({source_.rules[rule].name, {}, 1, 1, known_[rule].is_nullable});
    }
    for (const ebnf_index rule : rules) {
      name_ = source_.rules[rule].name;
      plan_expression body = convert(source_.rules[rule].body);
      out_.productions[known_[rule].place].body = std::move(body);
    }
  }

  void add_plain(ebnf_index rule) {
    rule_facts& facts = known_[rule];
    name_ = source_.rules[rule].name;
    plan_expression body = convert(source_.rules[rule].body);
    const bool is_small =
        body.size <= max_sequence && std::uint64_t{body.size} * mentions_[rule] <= max_repeated;
    facts.is_regular = body.what == kind::terminal && (is_small || rule == source_.root);
    if (facts.is_regular) {
      facts.words = std::move(body);
    } else {
      facts.place = add_production({name_, std::move(body), 1, 1, facts.is_nullable});
    }
  }

  plan_expression terminal(language words, std::uint32_t size) const {
    plan_expression out;
    out.words = words;
    out.nullable = pool_.has_empty_word(words);
    out.size = size;
    return out;
  }

  plan_expression call(production_index called) const {
    plan_expression out;
    out.what = kind::call;
    out.called = called;
    out.nullable = out_.productions[called].nullable;
    return out;
  }

  plan_expression convert(const ebnf_expression& e) {
    switch (e.what) {
      case ebnf_expression::kind::word:
        return terminal(pool_.code_points(e.word), static_cast<std::uint32_t>(e.word.size()) + 1);
      case ebnf_expression::kind::set: return terminal(pool_.set(e.set), 1);
      case ebnf_expression::kind::rule: {
        const rule_facts& facts = known_[e.rule];
        return facts.is_regular ? facts.words : call(facts.place);
      }
      case ebnf_expression::kind::sequence: return convert_sequence(e);
      case ebnf_expression::kind::choice: return convert_choice(e);
      case ebnf_expression::kind::repeat: return convert_repeat(e);
    }
    return {};
  }

  // Neighbours that are regular become one terminal.
  plan_expression convert_sequence(const ebnf_expression& e) {
    std::vector<plan_expression> parts;
    for (auto part = e.parts.rbegin(); part != e.parts.rend(); ++part) {
      plan_expression next = convert(*part);
      const bool joins = !parts.empty() && next.what == kind::terminal &&
                         parts.back().what == kind::terminal &&
                         sum(next.size, parts.back().size) <= max_sequence / 2;
      if (joins) {
        parts.back() =
            terminal(pool_.concat(next.words, parts.back().words), next.size + parts.back().size);
      } else {
        parts.push_back(std::move(next));
      }
    }
    std::reverse(parts.begin(), parts.end());
    const auto may_lack = [](const plan_expression& part) {
      return part.nullable && part.what != kind::terminal;
    };
    const auto num_lacking = std::count_if(parts.begin(), parts.end(), may_lack);
    out_.is_too_long = out_.is_too_long || num_lacking > max_lacking;
    return sequence_of(std::move(parts));
  }

  plan_expression sequence_of(std::vector<plan_expression> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    plan_expression out;
    out.what = kind::sequence;
    out.nullable = true;
    for (const plan_expression& part : parts) {
      out.nullable = out.nullable && part.nullable;
      out.size = sum(out.size, part.size);
    }
    if (parts.size() > max_parts || out.size > max_sequence) return cut(std::move(parts));
    out.parts = std::move(parts);
    return out;
  }

  // A long sequence becomes one of productions.
  plan_expression cut(std::vector<plan_expression> parts) {
    std::vector<plan_expression> calls, piece;
    std::uint32_t size = 0;
    const auto close = [&] {
      if (piece.empty()) return;
      const bool is_call = piece.size() == 1 && piece[0].what == kind::call;
      plan_expression body = sequence_of(std::exchange(piece, {}));
      const bool nullable = body.nullable;
      calls.push_back(is_call ? std::move(body)
                              : call(add_production({name_, std::move(body), 1, 1, nullable})));
      size = 0;
    };
    for (plan_expression& part : parts) {
      if (sum(size, part.size) > max_sequence / 2 || piece.size() == max_parts / 2) close();
      size = sum(size, part.size);
      piece.push_back(std::move(part));
    }
    close();
    return sequence_of(std::move(calls));
  }

  plan_expression convert_choice(const ebnf_expression& e) {
    std::vector<language> words;
    std::uint32_t size = 0;
    std::vector<plan_expression> parts;
    for (const ebnf_expression& part : e.parts) {
      plan_expression next = convert(part);
      if (next.what == kind::terminal) {
        words.push_back(next.words);
        size = sum(size, next.size);
      } else {
        parts.push_back(std::move(next));
      }
    }
    if (!words.empty()) parts.push_back(terminal(pool_.any_of(std::move(words)), size));
    return choice_of(std::move(parts));
  }

  static plan_expression choice_of(std::vector<plan_expression> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    plan_expression out;
    out.what = kind::choice;
    for (const plan_expression& part : parts) {
      out.nullable = out.nullable || part.nullable;
      out.size = sum(out.size, part.size);
    }
    out.parts = std::move(parts);
    return out;
  }

  plan_expression optional(plan_expression part) const {
    std::vector<plan_expression> parts;
    parts.push_back(std::move(part));
    parts.push_back(terminal(empty_word, 1));
    return choice_of(std::move(parts));
  }

  plan_expression convert_repeat(const ebnf_expression& e) {
    plan_expression part = convert(e.parts[0]);
    if (part.what == kind::terminal) {
      return terminal(pool_.repeat(part.words, e.min, e.max), sum(part.size, 1));
    }
    if (e.max == 0) return terminal(empty_word, 1);
    if (e.min == 1 && e.max == 1) return part;
    if (e.min == 0 && e.max == 1) return optional(std::move(part));
    if (e.max != unbounded || e.min > 1) {
      const bool nullable = e.min == 0 || part.nullable;
      return call(add_production({name_, std::move(part), nullable ? 1 : e.min, e.max, nullable}));
    }
    plan_expression out;
    out.what = kind::plus;
    out.nullable = part.nullable;
    out.size = sum(part.size, 1);
    out.parts.push_back(std::move(part));
    return e.min == 0 ? optional(std::move(out)) : out;
  }

  language_pool& pool_;
  const ebnf_grammar& source_;
  std::vector<rule_facts> known_;
  std::vector<std::uint32_t> mentions_;
  std::string name_;  // of the rule in work
  ebnf_plan out_;
};

}  // namespace

ebnf_plan plan_ebnf(language_pool& pool, const ebnf_grammar& source) {
  return ebnf_planner(pool, source).plan();
}

// Tarjan's algorithm with a stack of its own, as rules may lead to each other in long chains.
std::vector<std::vector<std::uint32_t>> connected_parts(
    const std::vector<std::vector<std::uint32_t>>& following) {
  struct visit {
    std::uint32_t node = 0;
    std::size_t next = 0;
  };
  std::vector<std::vector<std::uint32_t>> out;
  std::vector<std::uint32_t> number(following.size(), 0), lowest(following.size(), 0), path;
  std::vector<bool> is_open(following.size(), false);
  std::uint32_t count = 0;
  for (std::uint32_t first = 0; first < following.size(); ++first) {
    if (number[first] != 0) continue;
    std::vector<visit> visits{{first, 0}};
    while (!visits.empty()) {
      const std::uint32_t at = visits.back().node;
      if (visits.back().next == 0) {
        number[at] = lowest[at] = ++count;
        path.push_back(at);
        is_open[at] = true;
      }
      bool deeper = false;
      while (!deeper && visits.back().next < following[at].size()) {
        const std::uint32_t to = following[at][visits.back().next++];
        deeper = number[to] == 0;
        if (deeper) visits.push_back({to, 0});
        if (!deeper && is_open[to]) lowest[at] = std::min(lowest[at], number[to]);
      }
      if (deeper) continue;
      visits.pop_back();
      if (!visits.empty()) {
        lowest[visits.back().node] = std::min(lowest[visits.back().node], lowest[at]);
      }
      if (lowest[at] != number[at]) continue;
      std::vector<std::uint32_t> part;
      do {
        part.push_back(path.back());
        path.pop_back();
        is_open[part.back()] = false;
      } while (part.back() != at);
      out.push_back(std::move(part));
    }
  }
  return out;
}

}  // namespace troupe::grammar
