#include "net/sse_reader.hpp"

#include <charconv>

namespace troupe {

refusal sse_reader::push(std::string_view bytes, std::vector<sse_event>& out) {
  while (!bytes.empty()) {
    if (after_cr_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_cr_ = false;
    auto end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    if (line_.size() + data_.size() > max_event_bytes_)
      return failure{error_code::too_large,
                     "an event is longer than " + std::to_string(max_event_bytes_) + " bytes", ""};
    if (end == std::string_view::npos) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(out);
  }
  return nothing{};
}

void sse_reader::end_line(std::vector<sse_event>& out) {
  std::string_view line = line_;
  if (is_first_line_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  is_first_line_ = false;
  if (line.empty()) {
    dispatch(out);
  } else if (!line.starts_with(':')) {
    auto colon = line.find(':');
    auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    set_field(line.substr(0, colon), value);
  }
  line_.clear();
}

void sse_reader::set_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    data_.append(value).append(1, '\n');
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) last_id_ = value;
  } else if (name == "retry") {
    std::uint32_t number = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error == std::errc{} && end == value.data() + value.size())
      retry_ = std::chrono::milliseconds{number};
  }
}

void sse_reader::dispatch(std::vector<sse_event>& out) {
  if (!data_.empty()) {
    data_.pop_back();
    out.push_back({type_.empty() ? "message" : type_, std::move(data_), last_id_});
  }
  data_.clear();
  type_.clear();
}

}  // namespace troupe
