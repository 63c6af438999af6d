#include "model/safetensors.hpp"

#include "model/convert.hpp"
#include "safetensors_bytes.hpp"
#include "temp_dir.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace troupe;
using test::safetensors_text;

namespace {

outcome<tensor_map> parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "f.safetensors");
}

// One tensor named "a" with these members.
std::string tensor_a(const std::string& members) { return "{\"a\":{" + members + "}}"; }

std::string tensor_a(const std::string& type, const std::string& shape,
                     const std::string& offsets) {
  return tensor_a("\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets);
}

std::string message_of(const outcome<checkpoint>& opened) {
  REQUIRE_FALSE(opened);
  return opened.error().message;
}

}  // namespace

TEST_CASE("tensors come out with type, shape and bytes") {
  // Trailing spaces are how writers align the data.
  std::string file = safetensors_text(
      R"({"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},"__metadata__":{"format":"pt"},)"
      R"("a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
      R"("none":{"dtype":"BF16","shape":[0,3],"data_offsets":[4,4]},)"
      R"("one":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}   )",
      10);
  file.replace(file.size() - 10, 8, std::string("\x00\x00\x80\x3f\x00\x3c\x00\xc0", 8));
  auto tensors = parse(file);
  REQUIRE_MESSAGE(tensors, tensors.error().message);
  REQUIRE(tensors->size() == 4);
  CHECK(tensors->at("a").shape == std::vector<std::int64_t>{1, 1});
  CHECK(to_floats(tensors->at("a")) == std::vector<float>{1.0F});
  CHECK(tensors->at("b").type == dtype::float16);
  CHECK(to_floats(tensors->at("b")) == std::vector<float>{1.0F, -2.0F});
  CHECK(tensors->at("none").bytes.empty());
  CHECK(tensors->at("one").shape.empty());
  CHECK(tensors->at("one").bytes.size() == 2);
  CHECK(parse(safetensors_text("{}", 0))->empty());
}

TEST_CASE("malformed files are refused, each for its own reason") {
  struct malformed {
    std::string file;
    const char* reason;
  };
  const std::string two = R"({"dtype":"BF16","shape":[2],"data_offsets":)";
  const malformed table[] = {
      {"", "has 0 bytes; at least 8"},
      {"1234567", "has 7 bytes"},
      {test::length_prefix(0), "a header of 0 bytes"},
      {test::length_prefix(1) + "{", "a header of 1 bytes"},
      {test::length_prefix(3) + "{}", "a header of 3 bytes; 2 to 2 were expected"},
      {test::length_prefix(~0ULL) + "{}", "a header of 18446744073709551615 bytes"},
      {test::length_prefix(1ULL << 63U) + "{}", "a header of 9223372036854775808 bytes"},
      {safetensors_text(" {}", 0), "does not begin with {"},
      {safetensors_text("[]", 0), "does not begin with {"},
      {safetensors_text("{\"a\":", 0), "the header is no JSON"},
      {safetensors_text("{} x", 0), "the header is no JSON"},
      {safetensors_text("{\"a\":{\"dtype\":\"\xFF\"}}", 0), "the header is no JSON"},
      {safetensors_text(R"({"a":[]})", 0), "tensor a is an array; an object"},
      {safetensors_text(tensor_a(R"("shape":[1],"data_offsets":[0,2])"), 2), "a has no dtype"},
      {safetensors_text(tensor_a(R"("dtype":"BF16","data_offsets":[0,2])"), 2), "a has no shape"},
      {safetensors_text(tensor_a(R"("dtype":"BF16","shape":[1])"), 2), "has no data_offsets"},
      {safetensors_text(tensor_a(R"("dtype":"BF16","shape":[1],"data_offsets":[0,2],"x":1)"), 2),
       "unknown key \"x\""},
      {safetensors_text(tensor_a("F64", "[1]", "[0,8]"), 8), "tensor a has dtype F64; F32, BF16"},
      {safetensors_text(tensor_a("F8_E4M3", "[1]", "[0,1]"), 1), "dtype F8_E4M3"},
      {safetensors_text(tensor_a("BF16", "[-1]", "[0,2]"), 2), "no non-negative integer"},
      {safetensors_text(tensor_a("BF16", "[1.0]", "[0,2]"), 2), "no non-negative integer"},
      {safetensors_text(tensor_a("BF16", "2", "[0,2]"), 2), "a has no shape"},
      {safetensors_text(tensor_a("BF16", "[1,1,1,1,1,1,1,1,1]", "[0,2]"), 2), "8 dimensions"},
      {safetensors_text(tensor_a("F32", "[4294967296,4294967296]", "[0,0]"), 0), "beyond 2^63"},
      {safetensors_text(tensor_a("F32", "[2305843009213693952]", "[0,0]"), 0), "beyond 2^63"},
      {safetensors_text(tensor_a("BF16", "[1]", "[0]"), 2), "no data_offsets of two integers"},
      {safetensors_text(tensor_a("BF16", "[1]", "[0,2.0]"), 2), "no data_offsets of two integers"},
      {safetensors_text(tensor_a("BF16", "[1]", "[2,0]"), 2), "negative or not in order"},
      {safetensors_text(tensor_a("BF16", "[1]", "[-2,0]"), 2), "negative or not in order"},
      {safetensors_text(tensor_a("BF16", "[2]", "[0,2]"), 2), "has 2 bytes; its shape"},
      {safetensors_text(tensor_a("BF16", "[2]", "[0,4]"), 3), "ends at byte 4 of the data"},
      {safetensors_text(tensor_a("BF16", "[2]", "[0,4]"), 5), "the tensors end at byte 4"},
      {safetensors_text("{}", 1), "the tensors end at byte 0"},
      {safetensors_text("{\"a\":" + two + "[0,4]},\"b\":" + two + "[2,6]}}", 6), "tensor b begins"},
      {safetensors_text("{\"a\":" + two + "[0,4]},\"b\":" + two + "[0,4]}}", 4),
       "begins at byte 0"},
      {safetensors_text("{\"a\":" + two + "[0,4]},\"b\":" + two + "[6,10]}}", 10), "leave holes"},
      {safetensors_text("{\"a\":" + two + "[2,6]}}", 6), "begins at byte 2"},
      {safetensors_text("{\"a\":" + two + "[0,4]},\"a\":" + two + "[4,8]}}", 8), "no JSON"},
      {safetensors_text(R"({"__metadata__":[]})", 0), "__metadata__ is no object"},
      {safetensors_text(R"({"__metadata__":{"format":1}})", 0), "only strings are allowed"},
  };
  for (const malformed& wrong : table) {
    CAPTURE(wrong.reason);
    auto tensors = parse(wrong.file);
    REQUIRE_FALSE(tensors);
    CHECK_MESSAGE(tensors.error().message.find(wrong.reason) != std::string::npos,
                  tensors.error().message);
    CHECK(tensors.error().message.starts_with("f.safetensors"));
  }
}

TEST_CASE("a header is bounded, however large its file is") {
  // Sparse, so that it costs no disk.
  const test::temp_dir dir;
  dir.write("model.safetensors", test::length_prefix(100'000'001) + "{}");
  std::filesystem::resize_file(dir.path() / "model.safetensors", 100'001'000);
  CHECK(message_of(open_checkpoint(dir.path())).find("2 to 100000000") != std::string::npos);
}

TEST_CASE("every way to cut a right file short is refused") {
  const std::string file = test::safetensors_file({{"a", {3, 2}}, {"b", {4}, dtype::float32}});
  REQUIRE(parse(file));
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse(file.substr(0, size)));
  }
}

TEST_CASE("shards are joined as their index says") {
  const test::temp_dir dir;
  dir.write("one.safetensors", test::safetensors_file({{"a", {2}}, {"b", {3}}}));
  dir.write("two.safetensors", test::safetensors_file({{"c", {4}, dtype::float32}}));
  const auto open = [&](const std::string& weight_map) {
    dir.write("model.safetensors.index.json",
              "{\"metadata\":{},\"weight_map\":" + weight_map + "}");
    return open_checkpoint(dir.path());
  };
  auto joined = open(R"({"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"})");
  REQUIRE_MESSAGE(joined, joined.error().message);
  CHECK(joined->tensors.size() == 3);
  CHECK(joined->tensors.at("c").type == dtype::float32);
  CHECK(joined->tensors.at("b").bytes.size() == 6);

  const auto refused = [&](const std::string& weight_map, const char* reason) {
    const std::string message = message_of(open(weight_map));
    CHECK_MESSAGE(message.find(reason) != std::string::npos, message);
  };
  refused(R"({"a":"one.safetensors","c":"two.safetensors"})", "weight_map does not name it");
  refused(R"({"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"})",
          "says two.safetensors");
  refused(R"({"a":"one.safetensors","b":"one.safetensors","x":"one.safetensors"})",
          "tensor x is not in one.safetensors");
  refused(R"({"a":"three.safetensors"})", "three.safetensors could not be opened");
  refused(R"({"a":"../one.safetensors"})", "does not name a plain file");
  refused(R"({"a":"/tmp/one.safetensors"})", "does not name a plain file");
  refused(R"({"a":"sub\\one.safetensors"})", "does not name a plain file");
  refused(R"({"a":"..safetensors"})", "does not name a plain file");
  refused(R"({"a":"one\u0000.safetensors"})", "does not name a plain file");
  refused(R"({"a":"weights.bin"})", "does not name a plain file");
  refused(R"({"a":""})", "does not name a plain file");
  refused(R"({"a":1})", "does not name a plain file");
  refused("[]", "weight_map is missing or no object");
  refused("{}", "names 0 files");

  dir.write("model.safetensors", test::safetensors_file({{"single", {1}}}));
  CHECK(open("{}")->tensors.contains("single"));  // a single file goes before the index
}

TEST_CASE("a directory without weights, and a directory in their place, are refused") {
  const test::temp_dir dir;
  auto none = open_checkpoint(dir.path());
  CHECK(message_of(none).find("holds neither model.safetensors nor") != std::string::npos);
  CHECK(none.error().code == error_code::not_found);
  std::filesystem::create_directory(dir.path() / "model.safetensors");
  CHECK(message_of(open_checkpoint(dir.path())).find("no regular file") != std::string::npos);
}
