#include "net/client_address.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

using asio::ip::address;
using asio::ip::address_v4;
using asio::ip::address_v6;

constexpr unsigned bits_before_ipv4 = 96;

std::string_view trim(std::string_view text) {
  auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<address> parse_address(std::string_view text) {
  // A zone means something on one machine only, never in a header or a flag.
  if (text.find('%') != std::string_view::npos) return std::nullopt;
  boost::system::error_code why;
  auto found = asio::ip::make_address(std::string(text), why);
  if (why) return std::nullopt;
  return plain_address(found);
}

bool is_port(std::string_view text) {
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, is_digit);
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
std::optional<address> parse_hop(std::string_view text) {
  if (text.starts_with('[')) {
    auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    auto rest = text.substr(end + 1);
    if (!rest.empty() && !(rest.front() == ':' && is_port(rest.substr(1)))) return std::nullopt;
    auto inner = text.substr(1, end - 1);
    return inner.find(':') == std::string_view::npos ? std::nullopt : parse_address(inner);
  }
  if (std::ranges::count(text, ':') != 1) return parse_address(text);
  auto colon = text.find(':');
  return is_port(text.substr(colon + 1)) ? parse_address(text.substr(0, colon)) : std::nullopt;
}

// The elements of every header of that name, as one list.
std::vector<std::string_view> list_of(std::span<const http_header> headers, std::string_view name) {
  std::vector<std::string_view> out;
  for (auto& [key, value] : headers) {
    if (!equals_ignoring_case(key, name)) continue;
    std::string_view rest = value;
    for (;;) {
      auto comma = rest.find(',');
      out.push_back(trim(rest.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

address_v6::bytes_type wide_bytes(const address& any) {
  auto plain = plain_address(any);
  if (plain.is_v6()) return plain.to_v6().to_bytes();
  return asio::ip::make_address_v6(asio::ip::v4_mapped, plain.to_v4()).to_bytes();
}

}  // namespace

std::optional<network> network::parse(std::string_view text) {
  auto slash = text.find('/');
  auto base = parse_address(text.substr(0, slash));
  if (!base) return std::nullopt;
  network out;
  out.bytes_ = wide_bytes(*base);
  if (slash == std::string_view::npos) return out;
  auto digits = text.substr(slash + 1);
  unsigned num_bits = 0;
  auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), num_bits);
  bool is_whole = error == std::errc{} && rest == digits.data() + digits.size();
  if (!is_whole || num_bits > (base->is_v4() ? 32U : 128U)) return std::nullopt;
  out.num_bits_ = num_bits + (base->is_v4() ? bits_before_ipv4 : 0U);
  return out;
}

bool network::contains(const address& any) const {
  auto bytes = wide_bytes(any);
  for (unsigned bit = 0; bit < num_bits_; bit += 8) {
    auto num_left = std::min(8U, num_bits_ - bit);
    auto mask = static_cast<unsigned char>(0xFF00U >> num_left);
    if (((bytes[bit / 8] ^ bytes_[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool is_among(std::span<const network> networks, const address& any) {
  return std::ranges::any_of(networks, [&](auto& one) { return one.contains(any); });
}

address plain_address(const address& any) {
  if (any.is_v4()) return any;
  auto six = any.to_v6();
  if (six.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, six);
  return address_v6(six.to_bytes());
}

address client_address(const address& peer, std::span<const http_header> headers,
                       std::span<const network> trusted) {
  auto client = plain_address(peer);
  if (!is_among(trusted, client)) return client;
  auto hops = list_of(headers, "X-Forwarded-For");
  for (auto hop = hops.rbegin(); hop != hops.rend() && is_among(trusted, client); ++hop) {
    auto before = parse_hop(*hop);
    if (!before) break;
    client = *before;
  }
  return client;
}

bool came_encrypted(const address& peer, std::span<const http_header> headers,
                    std::span<const network> trusted) {
  if (!is_among(trusted, peer)) return false;
  auto words = list_of(headers, "X-Forwarded-Proto");
  return !words.empty() && equals_ignoring_case(words.back(), "https");
}

std::string address_key(const address& any) {
  auto plain = plain_address(any);
  if (plain.is_v4()) return plain.to_string();
  auto bytes = plain.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return address_v6(bytes).to_string() + "/64";
}

}  // namespace troupe
