#include "text/grammar/string_format.hpp"

#include "text/grammar/regex.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace troupe::grammar {
namespace {

// RFC 3339; the 29th of February in leap years only.
const std::string date =
    R"((?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30))"
    R"(|02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26]))"
    R"(|(?:[02468][048]|[13579][26])00)-02-29))";
const std::string time =
    R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,20})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))";
const std::string duration_time = R"((?:\d{1,9}H(?:\d{1,9}M(?:\d{1,9}S)?)?)"
                                  R"(|\d{1,9}M(?:\d{1,9}S)?|\d{1,9}S))";
const std::string duration =
    R"(P(?:\d{1,9}W|T)" + duration_time +
    R"(|(?:\d{1,9}Y(?:\d{1,9}M(?:\d{1,9}D)?)?|\d{1,9}M(?:\d{1,9}D)?|\d{1,9}D)(?:T)" +
    duration_time + ")?)";
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

// A label of a host name: up to `max` characters, no hyphen at either end, and none in both the
// third and the fourth place: whether a name like "xn--..." is valid depends on tables of Unicode.
std::string label(int max) {
  const std::string_view a = "[A-Za-z0-9]", h = "[A-Za-z0-9-]";
  const std::string rest = "{0," + std::to_string(max - 5) + "}";
  return joined({"(?:", a, "|", a,     a, "|", a,    h, a,   "|", a,    h, h,  a,
                 "|",   a, h,   "(?:", a, h,   "|-", a, ")", h,   rest, a, ")"});
}

// At most 253 characters without counting them: a few long labels, or more of up to 30 characters.
std::string host() {
  const std::string few = label(63), many = label(30);
  return joined({"(?:", few, R"((?:\.)", few, "){0,2}|", many, R"((?:\.)", many, "){0,7})"});
}

const std::string octet = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
const std::string ipv4 = octet + R"((?:\.)" + octet + "){3}";
const std::string uuid = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
const std::string json_pointer = R"((?:/(?:[^~/]|~[01])*)*)";
const std::string atom = R"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)";

std::string ipv6() {
  const std::string h = "[0-9A-Fa-f]{1,4}";
  const std::string last = "(?:" + h + ":" + h + "|" + ipv4 + ")";  // the last 32 bits
  std::string out = "(?:(?:" + h + ":){6}" + last;
  for (int before = 0; before <= 7; ++before) {  // groups before "::"
    std::string head =
        before == 0 ? "" : "(?:" + h + ":){0," + std::to_string(before - 1) + "}" + h;
    if (before > 0) head = "(?:" + head + ")?";
    const int after = 7 - before;  // at most so many groups after it
    std::string tail;
    if (after >= 2)
      tail = "(?:(?:" + h + ":){0," + std::to_string(after - 2) + "}" + last + ")|" + h;
    if (after == 1) tail = h;
    out += "|" + head + "::(?:" + tail + ")?";
  }
  return out + ")";
}

// RFC 3986, with or without a scheme.
std::string uri(bool is_reference) {
  const std::string escaped = "%[0-9A-Fa-f]{2}";
  const std::string free = R"(\-A-Za-z0-9._~!$&'()*+,;=)";
  const std::string pchar = "(?:[" + free + ":@]|" + escaped + ")";
  const std::string authority = "(?:(?:[" + free + ":]|" + escaped + ")*@)?(?:\\[" + ipv6() +
                                "\\]|(?:[" + free + "]|" + escaped + ")*)(?::\\d*)?";
  const std::string segments = "(?:/" + pchar + "*)*";
  const std::string absolute = "/(?:" + pchar + "+" + segments + ")?";
  const std::string tail = "(?:\\?(?:" + pchar + "|[/?])*)?(?:#(?:" + pchar + "|[/?])*)?";
  const std::string full = "[A-Za-z][A-Za-z0-9+.-]*:(?://" + authority + segments + "|" + absolute +
                           "|" + pchar + "+" + segments + "|)";
  if (!is_reference) return full + tail;
  const std::string no_scheme = "(?:[" + free + "@]|" + escaped + ")+" + segments;
  return "(?:" + full + "|//" + authority + segments + "|" + absolute + "|" + no_scheme + "|)" +
         tail;
}

std::string pattern_of(std::string_view name) {
  if (name == "date") return date;
  if (name == "time") return time;
  if (name == "date-time") return date + "[Tt]" + time;
  if (name == "duration") return duration;
  if (name == "hostname") return host();
  if (name == "ipv4") return ipv4;
  if (name == "ipv6") return ipv6();
  if (name == "uuid") return uuid;
  if (name == "uri") return uri(false);
  if (name == "uri-reference") return uri(true);
  if (name == "json-pointer") return json_pointer;
  if (name == "relative-json-pointer") return R"((?:0|[1-9]\d{0,8})(?:#|)" + json_pointer + ")";
  return {};
}

}  // namespace

outcome<std::optional<language>> format_language(language_pool& pool, std::string_view name) {
  constexpr std::array<std::string_view, 6> not_enforced{"idn-email",     "idn-hostname", "iri",
                                                         "iri-reference", "uri-template", "regex"};
  if (std::find(not_enforced.begin(), not_enforced.end(), name) != not_enforced.end()) {
    return failure{error_code::unsupported,
                   "the format \"" + std::string(name) + "\" cannot be enforced", ""};
  }
  if (name == "email") {
    const auto user = match_language(pool, atom + R"((?:\.)" + atom + ")*");
    const auto domain = match_language(pool, joined({"@", host()}));
    return std::optional<language>{pool.concat(pool.both(*user, pool.text(1, 64)), *domain)};
  }
  const std::string pattern = pattern_of(name);
  if (pattern.empty()) return std::optional<language>{};
  const auto words = match_language(pool, pattern);
  if (!words) return words.error();
  return std::optional<language>{*words};
}

}  // namespace troupe::grammar
