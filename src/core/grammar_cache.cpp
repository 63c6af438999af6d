#include "core/grammar_cache.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

std::uint64_t bytes_of(const grammar_note& note) {
  return sizeof note + note.pointer.size() + note.keyword.size() + note.reason.size();
}

}  // namespace

grammar_cache::grammar_cache(std::uint64_t max_bytes, std::size_t max_entries)
    : max_bytes_(max_bytes), max_entries_(std::max<std::size_t>(1, max_entries)) {}

std::uint64_t grammar_cache::bytes_of(const entry& e) {
  auto sum = sizeof e + e.key.size();
  if (!e.made) return sum + troupe::bytes_of(e.made.error().why);
  for (auto& note : e.made->warnings) sum += troupe::bytes_of(note);
  return sum + (e.made->constraint ? e.made->constraint->num_bytes() : 0);
}

const grammar_outcome<bound_grammar>* grammar_cache::find(std::string_view key, steady_time now) {
  auto known = places_.find(key);
  if (known == places_.end()) return nullptr;
  auto e = known->second;
  const bool is_spent = e->made && e->made->constraint && e->made->constraint->is_exhausted();
  if (is_spent || e->good_until <= now) {
    num_bytes_ -= std::min(num_bytes_, bytes_of(*e));
    remove(e);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, e);
  return &e->made;
}

void grammar_cache::add(std::string key, grammar_outcome<bound_grammar> made,
                        steady_time good_until) {
  entries_.push_front({std::move(key), std::move(made), good_until});
  places_.emplace(entries_.front().key, entries_.begin());
  if (entries_.size() > max_entries_) remove(std::prev(entries_.end()));
  // From the latest in use on, as many as there is room for.
  num_bytes_ = 0;
  for (auto e = entries_.begin(); e != entries_.end();) {
    auto here = e++;
    auto num_bytes = bytes_of(*here);
    if (num_bytes > max_bytes_ - num_bytes_)
      remove(here);
    else
      num_bytes_ += num_bytes;
  }
}

void grammar_cache::remove(place e) {
  places_.erase(e->key);
  entries_.erase(e);
}

}  // namespace troupe
