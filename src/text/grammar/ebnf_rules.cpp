#include "text/grammar/ebnf_rules.hpp"

#include "text/grammar/ebnf_plan.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace troupe::grammar {
namespace {

using kind = plan_expression::kind;

constexpr std::uint32_t max_nesting = 1'024, min_nesting = 64;
constexpr std::uint32_t max_frames = 65'536;    // on one stack
constexpr std::size_t max_pool_size = 200'000;  // half of what it holds: answers need some, too

// What a part may begin with: whole words of it, and words up to the first rule that it enters,
// with the tag of that mention.
struct heads {
  language through = no_word, calls = no_word;
};

// The languages of one container: the mentions in its bodies are numbered as they are found.
class production_builder {
 public:
  using filter = std::uint32_t;  // rules of at most this height are entered

  production_builder(language_pool& pool, const std::vector<std::uint32_t>& heights, filter highest)
      : pool_(pool), heights_(heights), highest_(highest) {}

  bool is_alive(const plan_expression& e) const {
    const auto alive = [this](const plan_expression& part) { return is_alive(part); };
    switch (e.what) {
      case kind::terminal: return e.words != no_word;
      case kind::call: return e.nullable || heights_[e.called] <= highest_;
      case kind::choice: return std::any_of(e.parts.begin(), e.parts.end(), alive);
      default: return std::all_of(e.parts.begin(), e.parts.end(), alive);
    }
  }

  // Before `follow`, for each body.
  heads find(const plan_expression& e) {
    switch (e.what) {
      case kind::terminal: return {e.words, no_word};
      case kind::call: return {e.nullable ? empty_word : no_word, mention(e)};
      case kind::choice: return find_choice(e);
      case kind::sequence: return find_sequence(e);
      case kind::plus: {
        const heads part = find_known(e.parts[0]);
        const language again = pool_.repeat(part.through, 0, unbounded);
        return {pool_.concat(part.through, again), pool_.concat(again, part.calls)};
      }
    }
    return {};
  }
  heads find_known(const plan_expression& e) {
    const auto known = found_.find(&e);
    if (known != found_.end()) return known->second;
    const heads out = is_alive(e) ? find(e) : heads{};
    found_.emplace(&e, out);
    return out;
  }

  language head(const heads& part, language after) {
    return pool_.any_of({part.calls, pool_.concat(part.through, after)});
  }

  // Says of every mention what follows it, when `after` follows the whole.
  void follow(const plan_expression& e, language after) {
    if (!is_alive(e)) return;
    switch (e.what) {
      case kind::terminal: return;
      case kind::call:
        if (const auto at = numbers_.find(&e); at != numbers_.end()) calls[at->second].next = after;
        return;
      case kind::choice:
        for (const plan_expression& part : e.parts) follow(part, after);
        return;
      case kind::sequence:
        for (auto part = e.parts.rbegin(); part != e.parts.rend(); ++part) {
          follow(*part, after);
          after = head(find_known(*part), after);
        }
        return;
      case kind::plus: {
        const heads part = find_known(e.parts[0]);
        const language again = pool_.repeat(part.through, 0, unbounded);
        follow(e.parts[0], pool_.concat(again, pool_.any_of({after, part.calls})));
        return;
      }
    }
  }

  std::vector<production_rule::call> calls;  // `full` is the production until all are known

 private:
  language mention(const plan_expression& e) {
    if (heights_[e.called] > highest_) return no_word;
    const auto number = static_cast<std::uint32_t>(calls.size());
    numbers_.emplace(&e, number);
    calls.push_back({e.called, e.called, no_word});
    return pool_.tag(label::first_choice + number);
  }

  heads find_choice(const plan_expression& e) {
    std::vector<language> through, entered;
    for (const plan_expression& part : e.parts) {
      const heads next = find_known(part);
      through.push_back(next.through);
      entered.push_back(next.calls);
    }
    return {pool_.any_of(std::move(through)), pool_.any_of(std::move(entered))};
  }

  heads find_sequence(const plan_expression& e) {
    heads out{empty_word, no_word};
    for (auto part = e.parts.rbegin(); part != e.parts.rend(); ++part) {
      const heads next = find_known(*part);
      out.calls = pool_.any_of({next.calls, pool_.concat(next.through, out.calls)});
      out.through = pool_.concat(next.through, out.through);
    }
    return out;
  }

  language_pool& pool_;
  const std::vector<std::uint32_t>& heights_;
  filter highest_;
  std::unordered_map<const plan_expression*, heads> found_;
  std::unordered_map<const plan_expression*, std::uint32_t> numbers_;
};

void collect_called(const plan_expression& e, std::vector<production_index>& out) {
  if (e.what == kind::call) out.push_back(e.called);
  for (const plan_expression& part : e.parts) collect_called(part, out);
}

void make_unique(std::vector<production_index>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

class ebnf_builder {
 public:
  ebnf_builder(language_pool& pool, ebnf_plan plan)
      : pool_(pool), plan_(std::move(plan)), all_(plan_.productions) {}

  grammar_outcome<rule_set> build() {
    if (plan_.is_too_long) {
      return refuse(error_code::too_large,
                    "a sequence has more than 512 recursive parts that may be empty");
    }
    value_rule root;
    root.how = spelling::text;
    if (!plan_.root) {
      root.scalars = pool_.concat(plan_.regular, pool_.tag(label::value));
    } else {
      if (all_[*plan_.root].nullable) root.scalars = pool_.tag(label::value);
      find_heights();
      order();
      if (!why_) add_containers(root);
    }
    if (why_) return *why_;
    if (pool_.is_exhausted() || pool_.size() > max_pool_size) {
      return refuse(error_code::too_large, "needs too many automaton states");
    }
    rules_.root = 0;
    rules_.values.push_back(std::move(root));
    return std::move(rules_);
  }

 private:
  static grammar_refusal refuse(error_code code, std::string reason) {
    return refuse_grammar(code, "", "grammar", std::move(reason));
  }

  // How deep rules nest in the flattest text of a part that is not empty.
  std::uint32_t height_of(const plan_expression& e) const {
    switch (e.what) {
      case kind::terminal: return e.words == empty_word || e.words == no_word ? unbounded : 0;
      case kind::call: return heights_[e.called];
      case kind::plus: return height_of(e.parts[0]);
      default: break;
    }
    std::uint32_t least = unbounded, most = 0;
    bool some = false;  // is there a part that no text lacks
    for (const plan_expression& part : e.parts) {
      const std::uint32_t height = height_of(part);
      least = std::min(least, height);
      if (part.nullable) continue;
      some = true;
      most = std::max(most, height);
    }
    return e.what == kind::sequence && some ? most : least;
  }

  // In rounds, the flattest first; what no round reaches has no finite text.
  void find_heights() {
    heights_.assign(all_.size(), unbounded);
    std::vector<std::vector<production_index>> called_by(all_.size());
    std::vector<production_index> open;
    for (production_index i = 0; i < all_.size(); ++i) {
      std::vector<production_index> called;
      collect_called(all_[i].body, called);
      make_unique(called);
      for (const production_index c : called) called_by[c].push_back(i);
      open.push_back(i);
    }
    for (std::uint32_t round = 1; !open.empty(); ++round) {
      std::vector<production_index> found, again;
      for (const production_index i : open) {
        if (heights_[i] == unbounded && height_of(all_[i].body) != unbounded) found.push_back(i);
      }
      for (const production_index i : found) heights_[i] = round;
      for (const production_index i : found) {
        again.insert(again.end(), called_by[i].begin(), called_by[i].end());
      }
      make_unique(again);
      open = std::move(again);
    }
  }

  bool is_alive(production_index i) const { return heights_[i] <= rules_.max_depth; }

  // The productions that a text of `e` may begin with.
  void collect_first(const plan_expression& e, std::vector<production_index>& out) const {
    if (e.what == kind::call && heights_[e.called] != unbounded) out.push_back(e.called);
    for (const plan_expression& part : e.parts) {
      collect_first(part, out);
      if (e.what == kind::sequence && !part.nullable) return;
    }
  }

  // Which rules begin with each other, and how many frames may stand where no byte was read.
  void order() {
    std::vector<std::vector<production_index>> first(all_.size());
    for (production_index i = 0; i < all_.size(); ++i) {
      if (heights_[i] == unbounded) continue;
      collect_first(all_[i].body, first[i]);
      make_unique(first[i]);
    }
    parts_ = connected_parts(first);
    part_of_.assign(all_.size(), 0);
    std::vector<std::uint32_t> lengths;
    std::uint32_t longest = 1;
    for (std::uint32_t p = 0; p < parts_.size(); ++p) {
      std::uint32_t length = 0;
      for (const production_index i : parts_[p]) part_of_[i] = p;
      for (const production_index i : parts_[p]) {
        for (const production_index next : first[i]) {
          if (part_of_[next] != p) length = std::max(length, lengths[part_of_[next]]);
        }
      }
      lengths.push_back(length + static_cast<std::uint32_t>(parts_[p].size()));
      longest = std::max(longest, lengths.back());
      check_recursion(parts_[p], first);
    }
    if (all_.size() >= 1U << 20U) why_ = refuse(error_code::too_large, "has too many parts");
    if (longest > max_frames / min_nesting) {
      why_ = refuse(error_code::too_large, "more than 1,024 rules begin with one another");
    }
    rules_.max_depth = std::clamp(max_frames / longest, min_nesting, max_nesting);
  }

  void check_recursion(const std::vector<production_index>& part,
                       const std::vector<std::vector<production_index>>& first) {
    const auto& next = first[part[0]];
    const bool itself = std::binary_search(next.begin(), next.end(), part[0]);
    left_recursive_.push_back(part.size() > 1 || itself);
    if (!left_recursive_.back()) return;
    const auto counts = [this](production_index i) { return all_[i].max != 1; };
    if (why_ || std::none_of(part.begin(), part.end(), counts)) return;
    std::vector<std::string> names;
    for (auto i = part.rbegin(); i != part.rend() && names.size() < 8; ++i) {
      if (names.empty() || names.back() != all_[*i].name) names.push_back(all_[*i].name);
    }
    std::string cycle;
    for (const std::string& name : names) cycle += name + " -> ";
    why_ = refuse(error_code::unsupported,
                  "left recursion through a counted repeat is not supported: " + cycle + names[0]);
  }

  void add_containers(value_rule& root) {
    if (!is_alive(*plan_.root)) {
      if (root.scalars != no_word) return;  // the empty text alone
      const bool endless = heights_[*plan_.root] == unbounded;
      why_ = refuse(endless ? error_code::invalid_argument : error_code::too_large,
                    endless ? "rule root has no finite text"
                            : "every text of rule root nests deeper than " +
                                  std::to_string(rules_.max_depth) + " rules");
      return;
    }
    rules_.containers.resize(2 * all_.size());
    for (std::uint32_t p = 0; p < parts_.size() && pool_.size() <= max_pool_size; ++p) {
      if (!is_alive(parts_[p][0]) && parts_[p].size() == 1) continue;
      add_full(p);
      for (const production_index i : parts_[p]) {
        if (is_alive(i)) add_lean(i);
      }
    }
    const bool fits = rules_.containers[full(*plan_.root)].height <= rules_.max_depth;
    root.containers.push_back(fits ? full(*plan_.root) : lean(*plan_.root));
  }

  static container_index full(production_index i) { return 2 * i; }
  static container_index lean(production_index i) { return 2 * i + 1; }

  void add(container_index at, production_rule rule, std::uint32_t height) {
    rules_.containers[at].what = std::move(rule);
    rules_.containers[at].height = height;
  }

  static std::shared_ptr<const production_rule::table> table_of(
      std::vector<production_rule::call> calls, std::vector<production_rule::ending> endings) {
    for (production_rule::call& each : calls) {
      each.lean = lean(each.full);
      each.full = full(each.full);
    }
    return std::make_shared<const production_rule::table>(
        production_rule::table{std::move(calls), std::move(endings)});
  }

  // A rule comes before those that its texts begin with; the lean ones of rules that begin with
  // each other begin with flatter ones only.
  std::uint64_t order_of(production_index i) const {
    constexpr std::uint64_t bits = 20, most = (1U << bits) - 1;
    const std::uint64_t part = parts_.size() - part_of_[i];
    return (part << bits | (most - std::min<std::uint64_t>(heights_[i], most))) << bits | i;
  }

  // A rule with what is no deeper than it must be, so that it can be written where little nesting
  // is left. Such rules do not begin with themselves: each is flatter than the one before.
  void add_lean(production_index i) {
    production_builder builder(pool_, heights_, heights_[i] - 1);
    const heads own = builder.find_known(all_[i].body);
    production_rule rule;
    rule.done = pool_.tag(label::closed);
    builder.follow(all_[i].body, rule.done);
    rule.start = start_of({builder.head(own, rule.done)}, {label::closed});
    rule.min = all_[i].min;
    rule.max = all_[i].max;
    rule.order = order_of(i);
    rule.ways = table_of(std::move(builder.calls), {});
    add(lean(i), std::move(rule), heights_[i]);
  }

  // Without the empty words of the tags `dropped`.
  language start_of(const std::vector<language>& heads_of,
                    const std::vector<std::uint32_t>& dropped) {
    std::vector<language> parts;
    for (const language one : heads_of) {
      for (const std::uint32_t tag : empty_tags(one)) {
        const bool keep = std::find(dropped.begin(), dropped.end(), tag) == dropped.end();
        if (keep) parts.push_back(pool_.tag(tag));
      }
      const std::vector<arc> steps = pool_.arcs(one);
      for (const arc& step : steps) {
        parts.push_back(pool_.concat(pool_.set({{step.low, step.high}}), step.next));
      }
    }
    return pool_.any_of(std::move(parts));
  }

  std::vector<std::uint32_t> empty_tags(language a) const {
    std::vector<std::uint32_t> out;
    pool_.collect_tags(a, out);
    return out;
  }

  // Rules that begin with each other share their languages. A text of one of them begins with one
  // that does not begin with another of them; where it ends, all go on that may begin with it.
  void add_full(std::uint32_t p) {
    const std::vector<production_index>& part = parts_[p];
    const bool recursive = left_recursive_[p];
    production_builder builder(pool_, heights_, rules_.max_depth);
    for (const production_index i : part) builder.find_known(all_[i].body);
    const auto first_end = label::first_choice + static_cast<std::uint32_t>(builder.calls.size());
    std::vector<language> starts;
    std::vector<std::uint32_t> dropped;
    for (std::uint32_t m = 0; m < part.size(); ++m) {
      const plan_expression& body = all_[part[m]].body;
      dropped.push_back(recursive ? first_end + m : label::closed);
      const language end = pool_.tag(dropped.back());
      builder.follow(body, end);
      starts.push_back(builder.head(builder.find_known(body), end));
    }
    std::vector<production_rule::ending> endings;
    if (recursive) endings = find_endings(part, builder.calls, starts, dropped);
    const language start = start_of(starts, dropped);
    std::uint32_t height = 0;  // of what is entered from any of them
    for (const production_rule::call& each : builder.calls) {
      height = std::max(height, heights_[each.full]);
    }
    const auto ways = table_of(std::move(builder.calls), std::move(endings));
    for (std::uint32_t m = 0; m < part.size(); ++m) {
      production_rule rule;
      rule.start = start;
      rule.done = pool_.tag(recursive ? first_end + m : label::closed);
      rule.goal = m;
      rule.min = all_[part[m]].min;
      rule.max = all_[part[m]].max;
      rule.order = order_of(part[m]);
      rule.ways = ways;
      add(full(part[m]), std::move(rule), height + 1);
    }
  }

  // Mentions of each other at the very beginning: `dropped` gets their tags.
  std::vector<production_rule::ending> find_endings(const std::vector<production_index>& part,
                                                    const std::vector<production_rule::call>& calls,
                                                    const std::vector<language>& starts,
                                                    std::vector<std::uint32_t>& dropped) const {
    std::vector<production_rule::ending> out(part.size());
    for (const language start : starts) {
      for (const std::uint32_t tag : empty_tags(start)) {
        const std::size_t i = tag - label::first_choice;
        if (i >= calls.size()) continue;
        const auto called = std::find(part.begin(), part.end(), calls[i].full);
        if (called == part.end()) continue;
        out[static_cast<std::size_t>(called - part.begin())].onward.push_back(calls[i].next);
        dropped.push_back(tag);
      }
    }
    return out;
  }

  language_pool& pool_;
  ebnf_plan plan_;
  const std::vector<production>& all_;
  std::vector<std::uint32_t> heights_;
  std::vector<std::vector<production_index>> parts_;  // that begin with each other
  std::vector<std::uint32_t> part_of_;
  std::vector<bool> left_recursive_;
  rule_set rules_;
  std::optional<grammar_refusal> why_;
};

}  // namespace

grammar_outcome<rule_set> ebnf_rules(language_pool& pool, std::string_view source) {
  const auto read = parse_ebnf(source);
  if (!read) return read.error();
  return ebnf_builder(pool, plan_ebnf(pool, *read)).build();
}

}  // namespace troupe::grammar
