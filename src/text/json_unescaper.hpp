// The inside of a JSON string that arrives byte by byte, as the text that it stands for.
#pragma once
#include <cstdint>
#include <string>

namespace troupe {

class json_unescaper {
 public:
  enum class progress : std::uint8_t { inside, ended, malformed };
  // The byte after the opening quote first; the closing quote ends it. Half a surrogate pair stands
  // for U+FFFD.
  progress push(char byte, std::string& out);

 private:
  progress push_escaped(char byte, std::string& out);
  progress push_digit(char byte, std::string& out);
  void take_unit(std::string& out);
  void take_half(std::string& out);

  bool is_escaped_ = false;          // a backslash came before
  std::uint8_t missing_digits_ = 0;  // of \uXXXX
  char32_t unit_ = 0;
  char32_t high_half_ = 0;  // waits for the low one; 0: none
};

}  // namespace troupe
