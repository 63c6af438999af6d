// How many harmless characters fit at a place within a string: tokens of no more need no walk.
#include "text/grammar/mask_maker.hpp"

namespace troupe::grammar {
namespace {

constexpr std::size_t max_level = 128;  // states looked at: each costs as much as many tokens

// The characters of safe tokens.
const symbol_set safe_characters{{0x20, 0x21}, {0x23, 0x5B}, {0x5D, last_code_point}};

}  // namespace

mask_maker::slack mask_maker::find_slack(const byte_state& at) {
  if (at.where != byte_state::phase::content || at.how == spelling::text) return {};
  language_pool& pool = machine_.pool();
  if (pool.is_open(at.at) || endless_.contains(at.at)) return {unbounded, true};
  if (const auto run = pool.run_of(safe_characters, at.at)) return {*run, true};
  return search_slack(at.at);
}

// Level by level: as long as every harmless character is possible, any token of so many fits.
mask_maker::slack mask_maker::search_slack(language from) {
  language_pool& pool = machine_.pool();
  std::vector<language> known{from};  // by level
  std::unordered_map<language, std::size_t> places{{from, 0}};
  std::size_t level_begin = 0;
  bool loops = false;
  for (std::uint32_t length = 0;; ++length) {
    const std::size_t level_end = known.size();
    bool all_dead = true, all_whole = true;
    for (std::size_t i = level_begin; i < level_end; ++i) {
      for (const symbol_range& range : safe_characters) {
        symbol covered = range.low;
        for (const arc step : pool.arcs(known[i])) {
          if (step.high < range.low || step.low > range.high || !pool.is_live(step.next)) continue;
          all_dead = false;
          if (step.low <= covered) covered = step.high + 1;
          if (endless_.contains(step.next)) {
            loops = true;
            continue;
          }
          const auto [place, is_new] = places.emplace(step.next, known.size());
          if (is_new) known.push_back(step.next);
          loops = loops || place->second < level_end;
        }
        all_whole = all_whole && covered > range.high;
      }
    }
    if (all_dead) return {length, !loops};
    if (!all_whole) return {length, false};
    if (known.size() == level_end) {
      endless_.insert(known.begin(), known.end());
      return {unbounded, true};
    }
    if (length >= vocabulary::max_slice || known.size() > max_level) return {length, false};
    level_begin = level_end;
  }
}

}  // namespace troupe::grammar
