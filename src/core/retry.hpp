// What becomes of a request when the device fails. A failure of the device is no fault of most of
// those that ran; of one it may be. So all are tried again, and those that were in the failed step
// as suspects: no two of them in one step, until each has passed the token that it had come to.
#pragma once
#include <cstdint>

namespace troupe {

// Of a request, from one run to the next.
struct failure_record {
  std::uint32_t num_failures = 0;  // steps that failed with it
  bool is_suspect = false;
};

// Whoever was in so many failed steps is tried no more, suspect or not.
inline constexpr std::uint32_t max_failures = 3;

enum class retry_verdict : std::uint8_t {
  again,
  guilty  // ends with the device's reason
};

// Judges one request and writes its record. `was_in_step`: one of its rows was under way.
// `had_suspect`: so was one of a suspect.
constexpr retry_verdict judge_failed(failure_record& record, bool was_in_step, bool had_suspect) {
  if (!was_in_step) return retry_verdict::again;
  if (record.is_suspect) return retry_verdict::guilty;
  if (++record.num_failures >= max_failures) return retry_verdict::guilty;
  record.is_suspect = !had_suspect;
  return retry_verdict::again;
}

}  // namespace troupe
