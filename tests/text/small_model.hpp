// A tokenizer of 256 bytes, a few merges and two added tokens, written to a folder of its own.
#pragma once
#include "text/json.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/utf8.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace troupe {

class temporary_folder {
 public:
  temporary_folder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("troupe_text_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  void write_json(const std::string& name, const json_value& value) const {
    std::string text;
    append_json(text, value);
    write(name, std::string_view(text));
  }

 private:
  std::filesystem::path path_;
};

// How tokenizer.json spells one byte.
inline std::string spelled(unsigned byte) {
  char32_t next = 256;
  for (unsigned b = 0; b < byte; ++b) {
    const bool same = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    if (!same) ++next;
  }
  const bool same = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  std::string text;
  append_utf8(text, same ? byte : next);
  return text;
}

inline std::string spelled(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += spelled(static_cast<unsigned char>(byte));
  return text;
}

struct small_model {
  // Pairs of byte strings in the order of learning; ids from 256 on.
  std::vector<std::pair<std::string, std::string>> merges = {
      {"a", "b"}, {"ab", "c"}, {"b", "c"}, {" ", "ab"}, {"a", "a"}, {"aa", "aa"}, {"\xE4", "\xBD"}};
  bool merges_as_pairs = false;

  // <|end|> is special, <tool> is not.
  json_value tokenizer_json() const {
    json_object vocab;
    for (unsigned byte = 0; byte < 256; ++byte) {
      vocab.emplace_back(spelled(byte), std::int64_t{byte});
    }
    json_array rules;
    for (const auto& [left, right] : merges) {
      vocab.emplace_back(spelled(left + right), static_cast<std::int64_t>(vocab.size()));
      if (merges_as_pairs)
        rules.emplace_back(json_array{spelled(left), spelled(right)});
      else
        rules.emplace_back(spelled(left) + ' ' + spelled(right));
    }
    const auto first_added = static_cast<std::int64_t>(vocab.size());
    const json_object split = {
        {"type", std::string("Split")},
        {"pattern", json_object{{"Regex", std::string(pre_tokenizer_pattern)}}},
        {"behavior", std::string("Isolated")},
        {"invert", false}};
    const json_object bytes = {{"type", std::string("ByteLevel")}, {"use_regex", false}};
    return json_object{{"added_tokens", json_array{added(first_added, "<|end|>", true),
                                                   added(first_added + 1, "<tool>", false)}},
                       {"normalizer", json_object{{"type", std::string("NFC")}}},
                       {"pre_tokenizer", json_object{{"type", std::string("Sequence")},
                                                     {"pretokenizers", json_array{split, bytes}}}},
                       {"decoder", bytes},
                       {"model", json_object{{"type", std::string("BPE")},
                                             {"vocab", std::move(vocab)},
                                             {"merges", std::move(rules)}}}};
  }

  static json_value added(std::int64_t id, std::string content, bool special) {
    return json_object{{"id", id}, {"content", std::move(content)}, {"special", special}};
  }
};

}  // namespace troupe
