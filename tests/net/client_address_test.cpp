#include "net/client_address.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

namespace troupe {
namespace {

asio::ip::address at(const char* text) { return asio::ip::make_address(text); }

std::vector<network> networks(std::initializer_list<const char*> texts) {
  std::vector<network> out;
  for (auto* text : texts) out.push_back(network::parse(text).value());
  return out;
}

// The client of a request from `peer` with these X-Forwarded-For headers.
std::string client_of(const char* peer, std::initializer_list<const char*> forwarded) {
  std::vector<http_header> headers;
  for (auto* value : forwarded) headers.emplace_back("x-forwarded-for", value);
  auto trusted = networks({"10.0.0.0/8", "fd00::/8", "127.0.0.1"});
  return client_address(at(peer), headers, trusted).to_string();
}

TEST_CASE("a network has its addresses and no others") {
  CHECK(networks({"10.0.0.0/8"})[0].contains(at("10.255.0.1")));
  CHECK_FALSE(networks({"10.0.0.0/8"})[0].contains(at("11.0.0.0")));
  CHECK(networks({"192.0.2.128/25"})[0].contains(at("192.0.2.129")));
  CHECK_FALSE(networks({"192.0.2.128/25"})[0].contains(at("192.0.2.127")));
  CHECK(networks({"192.0.2.1"})[0].contains(at("::ffff:192.0.2.1")));
  CHECK(networks({"::ffff:192.0.2.1"})[0].contains(at("192.0.2.1")));
  CHECK(networks({"0.0.0.0/0"})[0].contains(at("8.8.8.8")));
  CHECK_FALSE(networks({"0.0.0.0/0"})[0].contains(at("::1")));
  CHECK(networks({"::/0"})[0].contains(at("::1")));
  CHECK(networks({"2001:db8::/33"})[0].contains(at("2001:db8:7fff::1")));
  CHECK_FALSE(networks({"2001:db8::/33"})[0].contains(at("2001:db8:8000::1")));
  for (auto* text : {"", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/8 ", "/8",
                     "fe80::1%lo", "10.0.0.0/-1", "localhost", "10.0.0.0/08x"})
    CHECK_MESSAGE(!network::parse(text), text);
}

TEST_CASE("a stranger's word about its way counts nothing") {
  CHECK(client_of("192.0.2.7", {}) == "192.0.2.7");
  CHECK(client_of("192.0.2.7", {"1.1.1.1"}) == "192.0.2.7");
  CHECK(client_of("::ffff:192.0.2.7", {"1.1.1.1"}) == "192.0.2.7");
}

TEST_CASE("the rightmost address that is no trusted proxy is the client") {
  CHECK(client_of("10.0.0.1", {"1.1.1.1"}) == "1.1.1.1");
  CHECK(client_of("10.0.0.1", {"6.6.6.6, 1.1.1.1"}) == "1.1.1.1");
  CHECK(client_of("10.0.0.1", {"6.6.6.6, 1.1.1.1 ,10.0.0.2"}) == "1.1.1.1");
  CHECK(client_of("10.0.0.1", {"6.6.6.6", "1.1.1.1, 10.0.0.2"}) == "1.1.1.1");
  CHECK(client_of("10.0.0.1", {"10.0.0.3, 10.0.0.2"}) == "10.0.0.3");
  CHECK(client_of("fd00::1", {"2001:db8::5"}) == "2001:db8::5");
  CHECK(client_of("::ffff:10.0.0.1", {"::ffff:1.1.1.1"}) == "1.1.1.1");
  CHECK(client_of("10.0.0.1", {}) == "10.0.0.1");
}

TEST_CASE("ports and brackets are no part of an address") {
  CHECK(client_of("10.0.0.1", {"1.1.1.1:8080"}) == "1.1.1.1");
  CHECK(client_of("10.0.0.1", {"[2001:db8::5]"}) == "2001:db8::5");
  CHECK(client_of("10.0.0.1", {"[2001:db8::5]:443"}) == "2001:db8::5");
}

TEST_CASE("garbage ends the way at whoever passed it on") {
  for (auto* text : {"", "unknown", "_hidden", "1.1.1", "1.1.1.1:", "1.1.1.1:x", "1.1.1.1:123456",
                     "[1.1.1.1]", "[2001:db8::5", "[2001:db8::5]443", "[]", "1.1.1.1\n", "\xff",
                     "fe80::1%lo", "1.1.1.1 2.2.2.2", "::g", ":80"})
    CHECK_MESSAGE(client_of("10.0.0.1", {text}) == "10.0.0.1", text);
  CHECK(client_of("10.0.0.1", {"1.1.1.1, garbage, 10.0.0.2"}) == "10.0.0.2");
  CHECK(client_of("10.0.0.1", {"1.1.1.1,"}) == "10.0.0.1");
}

TEST_CASE("only a trusted proxy can say that the way was encrypted") {
  auto trusted = networks({"10.0.0.0/8"});
  auto is_encrypted = [&](const char* peer, const char* word) {
    std::vector<http_header> headers{{"X-Forwarded-Proto", word}};
    return came_encrypted(at(peer), headers, trusted);
  };
  CHECK(is_encrypted("10.0.0.1", "https"));
  CHECK(is_encrypted("10.0.0.1", "http, HTTPS"));
  CHECK_FALSE(is_encrypted("10.0.0.1", "http"));
  CHECK_FALSE(is_encrypted("10.0.0.1", "https, http"));
  CHECK_FALSE(is_encrypted("192.0.2.7", "https"));
  CHECK_FALSE(came_encrypted(at("10.0.0.1"), {}, trusted));
}

TEST_CASE("limits count an IPv6 customer's whole network as one client") {
  CHECK(address_key(at("192.0.2.7")) == "192.0.2.7");
  CHECK(address_key(at("::ffff:192.0.2.7")) == "192.0.2.7");
  CHECK(address_key(at("2001:db8:1:2:3:4:5:6")) == "2001:db8:1:2::/64");
  CHECK(address_key(at("2001:db8:1:2::1")) == address_key(at("2001:db8:1:2:ffff::")));
  CHECK(address_key(at("2001:db8:1:3::1")) != address_key(at("2001:db8:1:2::1")));
}

}  // namespace
}  // namespace troupe
