// Owns a replica's KV pages: which are free, held, or cached for their prefix.
#pragma once
#include "actors/meter.hpp"
#include "core/config.hpp"
#include "core/page_pool.hpp"
#include "core/running_batch.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

struct reserve_pages {
  std::vector<page_growth> growth;
  // In order; nobody is served after one that was denied.
  std::vector<page_pool::admission_ask> admissions;
};
struct pages_reserved {
  std::vector<std::optional<std::vector<page_idx>>> growth;     // as asked
  std::vector<std::optional<page_pool::admission>> admissions;  // as asked
  std::uint32_t num_available = 0;
};
struct release_pages {
  request_id owner;
};
struct pages_released {
  std::uint32_t num_available = 0;
};
struct pages_computed {
  std::vector<computed_tokens> reports;
};

using page_manager = caf::typed_actor<
    // All or nothing for each growth and each admission. Growth for drafts is denied where it could
    // take the page that a running sequence needs next.
    caf::replies_to<reserve_pages>::with<pages_reserved>,
    // Unknown owners hold nothing, so cancel may race finish.
    caf::replies_to<release_pages>::with<pages_released>,
    // Full pages become prefixes that others may share.
    caf::reacts_to<pages_computed>,
    // At once.
    caf::replies_to<beat>::with<heartbeat>>;

page_manager spawn_page_manager(caf::local_actor* parent, const engine_limits& limits,
                                meter observer);

}  // namespace troupe
