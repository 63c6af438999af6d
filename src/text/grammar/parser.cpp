#include "text/grammar/parser.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 31U);
}

std::shared_ptr<const seen_keys> remember(const std::shared_ptr<const seen_keys>& before,
                                          std::string spelled) {
  seen_keys fresh;
  fresh.hash = before ? before->hash : 0;
  fresh.size = before ? before->size + 1 : 1;
  std::uint64_t own = 0xCBF29CE4;
  for (const char c : spelled) own = mix(own, static_cast<unsigned char>(c));
  fresh.hash += own;  // the order of keys does not matter
  fresh.spelled = std::move(spelled);
  fresh.before = before;
  return std::make_shared<const seen_keys>(std::move(fresh));
}

// Every item takes a byte at least, so a token of `sight` bytes reaches no bound that is further.
std::uint32_t near_count(std::uint32_t count, std::uint32_t min, std::uint32_t max,
                         std::uint32_t sight) {
  constexpr std::uint32_t far_below_min = unbounded - 1, far_below_max = unbounded - 2;
  if (max != unbounded && max - count <= sight) return count;
  if (count < min) return min - count > sight ? far_below_min : count;
  return max == unbounded ? count : far_below_max;
}

}  // namespace

frame::~frame() {
  std::vector<frame_ptr> open;
  const auto give = [&open](const frame& of) {
    if (of.parent && of.parent.use_count() == 1) open.push_back(std::move(of.parent));
    for (frame_ptr& further : of.parents) open.push_back(std::move(further));
    of.parents.clear();
  };
  give(*this);
  while (!open.empty()) {
    const frame_ptr last = std::move(open.back());
    open.pop_back();
    if (last.use_count() == 1) give(*last);
  }
}

frame_ptr make_frame(frame f) {
  const auto hash = [&f](std::uint64_t frame::*part, std::uint32_t count) {
    std::uint64_t out = mix(f.parent ? (*f.parent).*part : 0x1234567, f.rule);
    for (const frame_ptr& further : f.parents) out = mix(out, (*further).*part);
    return mix(mix(mix(out, f.position), count), f.depth);
  };
  f.shape = hash(&frame::shape, f.near_count);
  f.hash = mix(hash(&frame::hash, f.count), f.seen ? f.seen->hash : 0);
  return std::make_shared<const frame>(std::move(f));
}

void thread_set::add(thread fresh) {
  const auto same = [&](const thread& old) {
    return old.at == fresh.at && old.owner->hash == fresh.owner->hash && old.key == fresh.key;
  };
  if (std::any_of(threads.begin(), threads.end(), same)) return;
  if (threads.size() < parser::max_threads) threads.push_back(std::move(fresh));
}

language blanks_language(language_pool& pool, whitespace kind) {
  const language space = pool.one(outside(' '));
  if (kind == whitespace::compact) return empty_word;
  if (kind == whitespace::any) {
    const language blank = pool.any_of(
        {space, pool.one(outside('\t')), pool.one(outside('\n')), pool.one(outside('\r'))});
    return pool.repeat(blank, 0, unbounded);
  }
  const language indent = pool.repeat(pool.any_of({space, pool.one(outside('\t'))}), 0, 20);
  return pool.any_of({empty_word, space, pool.concat(pool.one(outside('\n')), indent)});
}

parser::parser(std::unique_ptr<language_pool> pool, rule_set rules, std::uint32_t sight)
    : pool_(std::move(pool)), rules_(std::move(rules)), sight_(sight) {
  root_ = make_frame({});
  blanks_ = blanks_language(*pool_, rules_.blanks);
  const language space = pool_->one(outside(' '));
  const language after_colon =
      rules_.blanks == whitespace::bounded ? pool_->optional(space) : blanks_;
  colon_ = pool_->concat(pool_->one(outside(':')), after_colon);
  if (rules_.blanks == whitespace::any) colon_ = pool_->concat(blanks_, colon_);
  const auto make_brackets = [&](char open, char close) {
    return brackets{pool_->concat({pool_->one(outside(open)), blanks_, pool_->tag(label::opened)}),
                    pool_->concat(pool_->one(outside(close)), pool_->tag(label::closed))};
  };
  array_ = make_brackets('[', ']');
  object_ = make_brackets('{', '}');
}

void parser::add(const frame_ptr& owner, language terminal, spelling how, thread_set& out) const {
  if (terminal == no_word) return;
  out.add({owner, byte_automaton::start(terminal, how), {}, false});
}

thread_set parser::start() {
  thread_set out;
  enter(rules_.root, root_, out);
  return out;
}

bool parser::can_nest(const frame_ptr& parent, container_index c) const {
  return parent->depth + rules_.containers[c].height <= rules_.max_depth;
}

void parser::enter(value_index value, const frame_ptr& parent, thread_set& out) {
  const value_rule& rule = rules_.values[value];
  add(parent, rule.scalars, rule.how, out);
  for (const container_index c : rule.containers) {
    if (!can_nest(parent, c)) continue;
    const auto& what = rules_.containers[c].what;
    if (std::holds_alternative<production_rule>(what)) {
      enter_production(c, parent, out);
      continue;
    }
    frame fresh;
    fresh.rule = c;
    fresh.parent = parent;
    fresh.depth = parent->depth + 1;
    const frame_ptr opened = make_frame(std::move(fresh));
    if (const auto* framed = std::get_if<framed_rule>(&what)) {
      add(opened, framed->heads, spelling::canonical, out);
      continue;
    }
    const brackets& own = std::holds_alternative<array_rule>(what) ? array_ : object_;
    add(opened, own.open, spelling::json, out);
  }
}

// A value within `owner` is complete.
void parser::resume(const frame_ptr& owner, thread_set& out) {
  if (owner->rule == unbounded) {
    out.may_end = true;
    return;
  }
  const auto& what = rules_.containers[owner->rule].what;
  if (const auto* array = std::get_if<array_rule>(&what)) {
    const bool more = owner->count < array->max && array->item(owner->count) != no_value;
    add(owner, separator(']', more, owner->count >= array->min), spelling::json, out);
  } else if (const auto* object = std::get_if<object_rule>(&what)) {
    const bool more = choose_keys(*owner, *object).some();
    add(owner, separator('}', more, may_close(*owner, *object)), spelling::json, out);
  } else {
    add(owner, std::get<framed_rule>(what).tail, spelling::json, out);
  }
}

void parser::advance(const frame_ptr& owner, std::uint32_t tag, std::string_view key,
                     thread_set& out) {
  if (tag == label::value) return resume(owner, out);
  if (find_production(*owner) != nullptr) return advance_all(owner, {&tag, 1}, key, out);
  if (tag == label::closed) return resume(owner->parent, out);
  const auto& what = rules_.containers[owner->rule].what;
  if (const auto* array = std::get_if<array_rule>(&what)) {
    after_array(owner, *array, tag, out);
  } else if (const auto* object = std::get_if<object_rule>(&what)) {
    after_object(owner, *object, tag, key, out);
  } else {
    enter(std::get<framed_rule>(what).values[tag - label::first_choice], owner, out);
  }
}

void parser::after_array(const frame_ptr& owner, const array_rule& rule, std::uint32_t tag,
                         thread_set& out) {
  if (tag == label::opened && rule.min == 0) add(owner, array_.close, spelling::json, out);
  const value_index item = rule.item(owner->count);
  if (item != no_value && owner->count < rule.max) {
    const auto enough = std::max(rule.min, static_cast<std::uint32_t>(rule.prefix.size()));
    const bool is_uniform = owner->count + 1 >= rule.prefix.size();
    enter(item, counted(*owner, 0, enough, rule.max, is_uniform ? sight_ : unbounded), out);
  }
}

void parser::after_object(const frame_ptr& owner, const object_rule& rule, std::uint32_t tag,
                          std::string_view key, thread_set& out) {
  if (tag == label::opened || tag == label::next) {
    if (tag == label::opened && may_close(*owner, rule)) {
      add(owner, object_.close, spelling::json, out);
    }
    return start_key(owner, rule, out);
  }
  const std::uint32_t choice = tag - label::first_choice;
  const auto num_members = static_cast<std::uint32_t>(rule.members.size());
  if (choice < num_members) {
    const frame_ptr next = counted(*owner, choice + 1, rule.min, rule.max);
    return enter(rule.members[choice].value, next, out);
  }
  std::string spelled(key.substr(0, key.rfind('"') + 1));
  if (!spelled.empty() && is_seen(*owner, spelled)) return;
  frame next = *counted(*owner, num_members, rule.min, rule.max);
  next.seen = remember(owner->seen, std::move(spelled));
  enter(rule.others[choice - num_members].value, make_frame(std::move(next)), out);
}

// One more item or member. What is beyond all bounds need not be counted, so that the places in a
// long list are the same.
frame_ptr parser::counted(const frame& from, std::uint32_t position, std::uint32_t min,
                          std::uint32_t max, std::uint32_t sight) {
  frame next = from;
  next.position = position;
  if (max != unbounded || next.count < min) ++next.count;
  next.near_count = near_count(next.count, min, max, sight);
  return make_frame(std::move(next));
}

bool parser::may_close(const frame& at, const object_rule& rule) {
  return rule.num_required[at.position] == 0 && at.count >= rule.min;
}

parser::key_choice parser::choose_keys(const frame& at, const object_rule& rule) {
  const auto num_members = static_cast<std::uint32_t>(rule.members.size());
  const std::uint32_t required = rule.num_required[at.position];
  const std::uint64_t room = rule.max == unbounded ? unbounded : rule.max - at.count;
  if (rule.num_names != unbounded) ++num_looks_;
  const std::uint64_t unused = rule.num_names - (at.seen ? at.seen->size : 0);
  key_choice out;
  out.first = at.position;
  std::uint32_t first_required = at.position;
  while (first_required < num_members && !rule.members[first_required].required) ++first_required;
  if (room <= required) out.first = first_required;  // no room for optional ones
  out.last = room == 0 ? out.first : std::min(first_required + 1, num_members);
  // A member that is skipped is lost; enough must be left to reach the minimum.
  const std::uint64_t needed = rule.min > at.count ? rule.min - at.count : 0;
  while (out.last > out.first && 1 + (num_members - out.last) + unused < needed) --out.last;
  out.others = required == 0 && room > 0 && unused > 0 && unused >= needed;
  return out;
}

// What follows a key and its quote.
language parser::key_ending(std::uint32_t choice) {
  return pool_->concat(
      {pool_->one(outside('"')), colon_, pool_->tag(label::first_choice + choice)});
}

std::uint32_t parser::name_table(container_index index, const object_rule& rule) {
  const auto [at, fresh] = name_tables_.try_emplace(index);
  if (!fresh) return at->second;
  std::vector<std::pair<std::u32string_view, language>> names;
  for (std::uint32_t i = 0; i < rule.members.size(); ++i) {
    names.emplace_back(rule.members[i].name, key_ending(i));
  }
  return at->second = pool_->add_names(names);
}

language parser::key_language(container_index index, const object_rule& rule, key_choice choice) {
  const auto [at, fresh] = keys_.try_emplace({index, choice.first, choice.last, choice.others});
  if (!fresh) return at->second;
  std::vector<language> parts;
  if (choice.first < choice.last) {
    parts.push_back(pool_->names(name_table(index, rule), choice.first, choice.last));
  }
  const auto num_members = static_cast<std::uint32_t>(rule.members.size());
  for (std::uint32_t g = 0; choice.others && g < rule.others.size(); ++g) {
    parts.push_back(pool_->concat(rule.others[g].names, key_ending(num_members + g)));
  }
  at->second = pool_->concat(pool_->one(outside('"')), pool_->any_of(std::move(parts)));
  return at->second;
}

void parser::start_key(const frame_ptr& owner, const object_rule& rule, thread_set& out) {
  const key_choice choice = choose_keys(*owner, rule);
  if (!choice.some()) return;
  const language keys = key_language(owner->rule, rule, choice);
  out.add({owner, byte_automaton::start(keys, spelling::canonical), {}, choice.others});
}

language parser::separator(char close, bool may_continue, bool may_end) {
  const auto [at, fresh] = separators_.try_emplace({close, may_continue, may_end});
  if (!fresh) return at->second;
  std::vector<language> parts;
  const language before = rules_.blanks == whitespace::any ? blanks_ : empty_word;
  if (may_continue) {
    parts.push_back(
        pool_->concat({before, pool_->one(outside(',')), blanks_, pool_->tag(label::next)}));
  }
  if (may_end) {
    parts.push_back(
        pool_->concat({blanks_, pool_->one(outside(close)), pool_->tag(label::closed)}));
  }
  at->second = pool_->any_of(std::move(parts));
  return at->second;
}

std::uint32_t parser::num_alike(const thread& at) {
  std::uint32_t count = 0;
  if (!at.in_key) return 0;
  ++num_looks_;
  for (auto seen = at.owner->seen.get(); seen != nullptr; seen = seen->before.get()) {
    if (seen->spelled.starts_with(at.key)) ++count;
  }
  return count;
}

bool parser::is_seen(const frame& at, std::string_view spelled) {
  ++num_looks_;
  for (auto seen = at.seen.get(); seen != nullptr; seen = seen->before.get()) {
    if (seen->spelled.empty()) has_missed_key_ = true;
    if (seen->spelled == spelled) return true;
  }
  return false;
}

bool parser::is_blocked(const thread& at) {
  if (!at.in_key) return false;
  if (at.at.where == byte_state::phase::markup && at.key.size() > 1) {
    return is_seen(*at.owner, std::string_view(at.key).substr(0, at.key.rfind('"') + 1));
  }
  if (at.at.where != byte_state::phase::content) return false;
  const std::uint32_t alike = num_alike(at);
  const seen_keys* last = at.owner->seen.get();
  const bool is_unknown = last != nullptr && last->spelled.empty();
  if (alike == 0 && !is_unknown) return false;
  const std::uint64_t left = pool_->count_contents(at.at.at, alike + 2);
  if (is_unknown && left == alike + 1) has_missed_key_ = true;
  return left <= alike;
}

thread_set parser::step(const thread_set& from, char byte) { return take(reach(from), byte); }

std::size_t parser::skip(thread_set& at, std::string_view bytes) {
  if (at.threads.size() != 1 || at.threads[0].in_key) return 0;
  auto here = automaton_.find(at.threads[0].at);
  std::size_t length = 0;
  for (; length < bytes.size(); ++length) {
    const byte_automaton::row& row = automaton_.at(here);
    const auto next = row.next(static_cast<std::uint8_t>(bytes[length]));
    if (!row.tags.empty() || next == byte_automaton::dead) break;
    here = next;
  }
  if (length == 0) return 0;
  at.threads[0].at = automaton_.state(here);
  at.may_end = false;
  return length;
}

thread_set parser::take(const thread_set& from, char byte) {
  thread_set out;
  for (const thread& at : from.threads) {
    const auto next = automaton_.at(automaton_.find(at.at)).next(static_cast<std::uint8_t>(byte));
    if (next == byte_automaton::dead) continue;
    thread moved{at.owner, automaton_.state(next), {}, at.in_key};
    if (at.in_key) moved.key = at.key + byte;
    if (!is_blocked(moved)) add_alike(std::move(moved), out);
  }
  has_lost_way_ = has_lost_way_ || out.threads.size() >= max_threads;
  return out;
}

bool parser::may_end(const thread_set& at) { return reach(at).may_end; }

std::optional<char> parser::only_byte(const thread_set& at) {
  std::int16_t only = byte_automaton::no_byte;
  const auto add_rows = [&](const thread_set& more) {
    for (const thread& each : more.threads) {
      const std::int16_t byte = automaton_.at(automaton_.find(each.at)).only;
      if (byte == byte_automaton::no_byte || byte == only) continue;
      only = only == byte_automaton::no_byte ? byte : byte_automaton::many_bytes;
    }
  };
  add_rows(at);
  if (only == byte_automaton::many_bytes) return std::nullopt;
  const thread_set all = reach(at);
  add_rows(all);
  if (only < 0 || all.may_end) return std::nullopt;
  return static_cast<char>(only);
}

std::size_t parser::num_bytes() const {
  constexpr std::size_t map_node = 96;
  std::size_t out = pool_->num_bytes() + automaton_.num_bytes();
  out += map_node * (keys_.size() + separators_.size() + unended_.size());
  for (const auto& [whole, parts] : splits_) out += map_node + 4 * parts.tags.size();
  for (const auto& [tags, found] : ways_) {
    out += 2 * map_node + 4 * (tags.second.size() + found.endings.size());
    out += sizeof(found.calls[0]) * found.calls.size();
  }
  out += sizeof(value_rule) * rules_.values.size();
  for (const value_rule& each : rules_.values) {
    out += sizeof(container_index) * each.containers.size();
  }
  for (const container_rule& each : rules_.containers) {
    out += sizeof(each);
    if (const auto* array = std::get_if<array_rule>(&each.what)) {
      out += sizeof(value_index) * array->prefix.size();
    } else if (const auto* object = std::get_if<object_rule>(&each.what)) {
      for (const auto& member : object->members) out += sizeof(member) + 4 * member.name.size();
      out += sizeof(object_rule::group) * object->others.size() + 4 * object->num_required.size();
    }
  }
  return out;
}

}  // namespace troupe::grammar
