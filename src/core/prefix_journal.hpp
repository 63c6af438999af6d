// What a router has to be told of the prefixes that one pool knows: the difference to what it was
// told last. A prefix that came and went in between is never mentioned.
#pragma once
#include "core/prefix_key.hpp"

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace troupe {

struct prefix_changes {
  std::vector<prefix_key> added, removed;  // in no order, no key twice
};

class prefix_journal {
 public:
  // One page more or less keeps this prefix. Two pages keep the same one after its first pages were
  // forgotten and computed again by somebody else.
  void remember(const prefix_key& key);
  void forget(const prefix_key& key);

  // What changed since the last time. However long nobody asks, at most as many keys are added as
  // are known, and at most as many removed as the asker was told.
  prefix_changes take();
  // Whoever takes next knows nothing: everything that is known is a change to him.
  void begin_anew();

 private:
  struct entry {
    std::uint32_t num_pages = 0;
    bool is_told = false;
  };
  void compare(const prefix_key& key, const entry& now);

  std::unordered_map<prefix_key, entry> entries_;  // known, or told and not taken back
  std::unordered_set<prefix_key> untold_;
};

}  // namespace troupe
