#include "net/client_frame.hpp"

#include <utility>

#include "net/body_fields.hpp"
#include "text/json.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_id_bytes = 64;
constexpr std::int64_t max_credit = std::int64_t{1} << 53;
constexpr std::string_view default_path = "/v1/chat/completions";

bool is_sane_id(const std::string& id) { return !id.empty() && id.size() <= max_id_bytes; }

std::string read_id(body_fields& fields) {
  auto id = fields.text("id");
  if (fields.is_fine() && (!id || !is_sane_id(*id)))
    fields.refuse("id", "expected a name of 1 to 64 bytes");
  return id.value_or("");
}

// The same value, as a stream. A "stream" that is no truth value stays for its own reader to
// refuse.
std::string body_as_stream(const json_value& body) {
  auto members = *body.as_object();
  auto* stream = body.find("stream");
  if (stream == nullptr) members.emplace_back("stream", true);
  for (auto& [name, value] : members)
    if (name == "stream" && (value.is_null() || value.as_bool() != nullptr)) value = true;
  std::string out;
  append_json(out, json_value(std::move(members)));
  return out;
}

client_frame read_generate(body_fields& fields) {
  generate_frame frame{.id = read_id(fields)};
  frame.path = fields.text("path").value_or(std::string(default_path));
  if (fields.has("credit"))
    frame.credit = static_cast<std::uint64_t>(fields.integer("credit", 0, {0, max_credit}));
  auto* body = fields.raw("body");
  if (body == nullptr || body->as_object() == nullptr)
    fields.refuse("body", "expected an object: what POST takes at the path");
  else
    frame.body = body_as_stream(*body);
  return frame;
}

client_frame read_credit(body_fields& fields) {
  credit_frame frame{.id = read_id(fields)};
  if (fields.is_fine() && !fields.has("frames"))
    fields.refuse("frames", "expected how many frames more may come");
  frame.num_frames = static_cast<std::uint64_t>(fields.integer("frames", 1, {1, max_credit}));
  return frame;
}

client_frame read_ping(body_fields& fields) {
  ping_frame frame;
  auto* id = fields.raw("id");
  append_json(frame.id, id == nullptr ? json_value() : *id);
  return frame;
}

client_frame read_fields(body_fields& fields) {
  auto type = fields.text("type");
  if (type == "generate") return read_generate(fields);
  if (type == "credit") return read_credit(fields);
  if (type == "cancel") return cancel_frame{read_id(fields)};
  if (type == "ping") return read_ping(fields);
  fields.refuse("type", "expected generate, credit, cancel or ping");
  return ping_frame{};
}

}  // namespace

frame_reading read_client_frame(std::string_view text) {
  auto json = parse_json(text);
  if (!json)
    return {failure{.message = "the frame is not valid JSON: " + json.error().message}, ""};
  if (json->as_object() == nullptr)
    return {failure{.message = "a frame is an object, found " + std::string(json->type_name())},
            ""};
  body_fields fields(*json);
  auto frame = read_fields(fields);
  std::string id;
  if (auto* started = std::get_if<generate_frame>(&frame); started && is_sane_id(started->id))
    id = started->id;
  if (auto checked = fields.finish(); !checked) return {checked.error(), std::move(id)};
  return {std::move(frame), std::move(id)};
}

}  // namespace troupe
