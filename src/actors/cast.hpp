// The cast list: every message of the house, named once, with its CAF type id. A message is defined
// at the top of the actor that receives it; cast.cpp is the one place that sees all of them.
#pragma once
#include "core/outcome.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <string>

namespace troupe {

// token_sink
struct tokens_ready;
struct finished;
// request_queue
struct submit;
struct accepted;
struct cancel;
struct take;
struct taken;
struct take_back;
struct drain;
struct reopen;
struct work_waiting;
// batcher
struct step_done;
struct masks_wanted;
struct masks_overdue;
// page_manager
struct reserve_pages;
struct pages_reserved;
struct release_pages;
struct pages_released;
struct pages_computed;
// grammarian
struct advance_constraints;
struct masks_ready;
struct forget_constraint;
// grammar_store
struct compile_grammar;
struct grammar_compiled;
struct ask_cached_bytes;
struct cached_bytes;
// grammar_maker
struct make_grammar;
struct grammar_made;
// executor
struct run_step;
struct step_masks;
// rank_maker
struct make_ranks;
struct ranks_made;
// rank_node
struct form_ranks;
struct ranks_formed;
struct dissolve_ranks;
struct dismiss_node;
struct ranks_loaded;
// rank_group
struct join_group;
struct group_joined;
struct node_loaded;
struct open_group;
struct group_changed;
struct ranks_lost;
struct form_group;
struct group_formed;
struct dissolve_group;
// replica
struct ask_status;
struct replica_status;
// router
struct replica_joined;
struct replica_opened;
struct replica_left;
struct prefixes_changed;
struct ask_routes;
struct route_status;
// fleet
struct join_fleet;
struct fleet_joined;
struct load_report;
struct open_fleet;
struct renew_replicas;
// fleet_member
struct joined_fleet;
struct retire;
// gatekeeper
struct ask_passage;
struct passage;
struct charge_tokens;
struct tokens_charged;
struct return_tokens;
// load_tester
struct open_load_tests;
struct start_load_test;
struct load_test_started;
struct stop_load_test;
struct ask_load_tests;
struct load_test_list;
struct ask_load_test;
struct load_test_view;
// meter
struct queue_observed;
struct step_observed;
struct pages_observed;
struct request_observed;
struct refusal_observed;
struct http_observed;
struct front_observed;
struct replica_observed;
struct grammar_observed;
struct fleet_observed;
struct overload_observed;
struct log_observed;
struct load_test_observed;
struct render;
// every actor that others depend on
struct beat;
struct heartbeat;
// every actor that keeps time
struct tick {};

// Registers every message and error with CAF.
void enroll_cast(caf::actor_system_config& config);

// A failure travels as a caf::error of category "troupe" and comes back whole.
caf::error make_error(const failure& why);
failure to_failure(const caf::error& error);

}  // namespace troupe

// May go to another process: has an inspect (actors/wire.hpp has those of the values within). So
// must whatever is a member of one: CAF leaves out a house message without a word.
#define TROUPE_WIRE_MESSAGE(name) CAF_ADD_TYPE_ID(troupe, (troupe::name))

// Stays in the process: may hold handles, callables and shared_ptr<const T>.
#define TROUPE_HOUSE_MESSAGE(name)        \
  CAF_ADD_TYPE_ID(troupe, (troupe::name)) \
  CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::name)

// Ids are numbers of the compiler only; names are what CAF tells messages apart by. A host whose
// own ids meet ours moves them out of its way.
#ifndef TROUPE_FIRST_TYPE_ID
#define TROUPE_FIRST_TYPE_ID 10'000
#endif

CAF_BEGIN_TYPE_ID_BLOCK(troupe, TROUPE_FIRST_TYPE_ID)
TROUPE_WIRE_MESSAGE(tokens_ready)
TROUPE_WIRE_MESSAGE(finished)
TROUPE_WIRE_MESSAGE(submit)
TROUPE_WIRE_MESSAGE(accepted)
TROUPE_WIRE_MESSAGE(cancel)
TROUPE_HOUSE_MESSAGE(take)
TROUPE_HOUSE_MESSAGE(taken)
TROUPE_WIRE_MESSAGE(drain)
TROUPE_HOUSE_MESSAGE(reopen)
TROUPE_HOUSE_MESSAGE(work_waiting)
TROUPE_WIRE_MESSAGE(step_done)
TROUPE_WIRE_MESSAGE(masks_wanted)
TROUPE_HOUSE_MESSAGE(masks_overdue)
TROUPE_HOUSE_MESSAGE(reserve_pages)
TROUPE_HOUSE_MESSAGE(pages_reserved)
TROUPE_HOUSE_MESSAGE(release_pages)
TROUPE_HOUSE_MESSAGE(pages_released)
TROUPE_HOUSE_MESSAGE(pages_computed)
TROUPE_HOUSE_MESSAGE(advance_constraints)
TROUPE_HOUSE_MESSAGE(masks_ready)
TROUPE_HOUSE_MESSAGE(forget_constraint)
TROUPE_HOUSE_MESSAGE(compile_grammar)
TROUPE_HOUSE_MESSAGE(grammar_compiled)
TROUPE_HOUSE_MESSAGE(make_grammar)
TROUPE_HOUSE_MESSAGE(grammar_made)
TROUPE_WIRE_MESSAGE(run_step)
TROUPE_WIRE_MESSAGE(step_masks)
TROUPE_HOUSE_MESSAGE(ask_status)
TROUPE_HOUSE_MESSAGE(replica_status)
TROUPE_HOUSE_MESSAGE(replica_joined)
TROUPE_HOUSE_MESSAGE(replica_opened)
TROUPE_HOUSE_MESSAGE(replica_left)
TROUPE_HOUSE_MESSAGE(prefixes_changed)
TROUPE_HOUSE_MESSAGE(ask_routes)
TROUPE_HOUSE_MESSAGE(route_status)
TROUPE_WIRE_MESSAGE(join_fleet)
TROUPE_WIRE_MESSAGE(fleet_joined)
TROUPE_WIRE_MESSAGE(load_report)
TROUPE_HOUSE_MESSAGE(open_fleet)
TROUPE_HOUSE_MESSAGE(renew_replicas)
TROUPE_HOUSE_MESSAGE(joined_fleet)
TROUPE_WIRE_MESSAGE(retire)
TROUPE_HOUSE_MESSAGE(ask_passage)
TROUPE_HOUSE_MESSAGE(passage)
TROUPE_HOUSE_MESSAGE(charge_tokens)
TROUPE_HOUSE_MESSAGE(tokens_charged)
TROUPE_HOUSE_MESSAGE(return_tokens)
TROUPE_HOUSE_MESSAGE(queue_observed)
TROUPE_WIRE_MESSAGE(step_observed)
TROUPE_WIRE_MESSAGE(pages_observed)
TROUPE_HOUSE_MESSAGE(request_observed)
TROUPE_HOUSE_MESSAGE(refusal_observed)
TROUPE_HOUSE_MESSAGE(http_observed)
TROUPE_HOUSE_MESSAGE(front_observed)
TROUPE_HOUSE_MESSAGE(replica_observed)
TROUPE_HOUSE_MESSAGE(grammar_observed)
TROUPE_HOUSE_MESSAGE(fleet_observed)
TROUPE_HOUSE_MESSAGE(render)
TROUPE_WIRE_MESSAGE(beat)
TROUPE_WIRE_MESSAGE(heartbeat)
TROUPE_HOUSE_MESSAGE(tick)
TROUPE_HOUSE_MESSAGE(overload_observed)
TROUPE_HOUSE_MESSAGE(ask_cached_bytes)
TROUPE_HOUSE_MESSAGE(cached_bytes)
TROUPE_HOUSE_MESSAGE(take_back)
TROUPE_HOUSE_MESSAGE(log_observed)
TROUPE_HOUSE_MESSAGE(open_load_tests)
TROUPE_HOUSE_MESSAGE(start_load_test)
TROUPE_HOUSE_MESSAGE(load_test_started)
TROUPE_HOUSE_MESSAGE(stop_load_test)
TROUPE_HOUSE_MESSAGE(ask_load_tests)
TROUPE_HOUSE_MESSAGE(load_test_list)
TROUPE_HOUSE_MESSAGE(ask_load_test)
TROUPE_HOUSE_MESSAGE(load_test_view)
TROUPE_HOUSE_MESSAGE(load_test_observed)
TROUPE_HOUSE_MESSAGE(make_ranks)
TROUPE_HOUSE_MESSAGE(ranks_made)
TROUPE_WIRE_MESSAGE(form_ranks)
TROUPE_WIRE_MESSAGE(ranks_formed)
TROUPE_WIRE_MESSAGE(dissolve_ranks)
TROUPE_WIRE_MESSAGE(dismiss_node)
TROUPE_HOUSE_MESSAGE(ranks_loaded)
TROUPE_WIRE_MESSAGE(join_group)
TROUPE_WIRE_MESSAGE(group_joined)
TROUPE_WIRE_MESSAGE(node_loaded)
TROUPE_HOUSE_MESSAGE(open_group)
TROUPE_HOUSE_MESSAGE(group_changed)
TROUPE_HOUSE_MESSAGE(ranks_lost)
TROUPE_HOUSE_MESSAGE(form_group)
TROUPE_HOUSE_MESSAGE(group_formed)
TROUPE_HOUSE_MESSAGE(dissolve_group)
CAF_END_TYPE_ID_BLOCK(troupe)
