// The structs of troupe.h become values or refusals.
#pragma once
#include "troupe/client.hpp"
#include "troupe/engine.hpp"
#include "troupe/troupe.h"

namespace troupe {

failure refuse_member(std::string member, std::string what);

// Takes the members that the caller's struct has, the defaults for the others.
outcome<engine_options> read_options(const troupe_engine_options* given);

struct c_request {
  prompt_source prompt;
  generate_options options;
};
outcome<c_request> read_request(const engine& parts, const troupe_request* given);
outcome<std::vector<chat_turn>> read_turns(const troupe_turn* turns, std::size_t num_turns);

// The defaults, into as much of a struct as the caller has; nothing but zeros beyond what is known.
refusal write_options(troupe_engine_options* out, std::size_t size);
refusal write_request(const engine& parts, troupe_request* out, std::size_t size);
troupe_code write_failure(const failure& what, troupe_failure* out);

}  // namespace troupe
