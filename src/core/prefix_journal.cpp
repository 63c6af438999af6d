#include "core/prefix_journal.hpp"

#include <cassert>

namespace troupe {

void prefix_journal::compare(const prefix_key& key, const entry& now) {
  if ((now.num_pages > 0) != now.is_told)
    untold_.insert(key);
  else
    untold_.erase(key);
}

void prefix_journal::remember(const prefix_key& key) {
  auto& known = entries_[key];
  ++known.num_pages;
  compare(key, known);
}

void prefix_journal::forget(const prefix_key& key) {
  auto it = entries_.find(key);
  assert(it != entries_.end() && it->second.num_pages > 0);
  --it->second.num_pages;
  compare(key, it->second);
  if (it->second.num_pages == 0 && !it->second.is_told) entries_.erase(it);
}

prefix_changes prefix_journal::take() {
  prefix_changes changes;
  for (const auto& key : untold_) {
    auto it = entries_.find(key);
    it->second.is_told = it->second.num_pages > 0;
    if (it->second.is_told) {
      changes.added.push_back(key);
    } else {
      changes.removed.push_back(key);
      entries_.erase(it);
    }
  }
  untold_.clear();
  return changes;
}

void prefix_journal::begin_anew() {
  untold_.clear();
  std::erase_if(entries_, [](const auto& known) { return known.second.num_pages == 0; });
  for (auto& [key, known] : entries_) {
    known.is_told = false;
    untold_.insert(key);
  }
}

}  // namespace troupe
