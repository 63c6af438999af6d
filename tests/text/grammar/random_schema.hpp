// Schemas at random that keep the mask maker busy: optional and repeated keys, counters, patterns,
// alternatives, nesting.
#pragma once
#include <random>
#include <string>
#include <vector>

namespace troupe {

class random_schema {
 public:
  explicit random_schema(std::uint32_t seed) : random_(seed) {}

  std::string value(int depth = 0) {
    switch (below(depth < 3 ? 12 : 8)) {
      case 0: return R"({"type":"string"})";
      case 1: return string_with_length();
      case 2:
        return pick({R"({"type":"integer"})", R"({"type":"number"})", R"({"type":"null"})",
                     R"({"type":"boolean"})", R"({"type":["string","integer","null"]})"});
      case 3: return R"({"enum":["north","south","southwest","so\nfar",17,null,true]})";
      case 4:
        return pick({R"({"type":"string","pattern":"^[a-z]+(-[a-z0-9]{1,4})*$"})",
                     R"({"type":"string","pattern":"^\\d{3}-\\w+"})",
                     R"({"type":"string","pattern":"x"})",
                     R"({"type":"string","pattern":"^[A-Za-z ]*$","maxLength":12})"});
      case 5:
        return pick({R"({"type":"string","format":"date"})", R"({"type":"string","format":"uuid"})",
                     R"({"type":"string","format":"ipv4"})",
                     R"({"type":"string","format":"email"})"});
      case 6:
        return pick({R"({"type":"integer","minimum":-5,"maximum":1234})",
                     R"({"type":"number","minimum":0,"exclusiveMaximum":1})",
                     R"({"type":"integer","multipleOf":7})"});
      case 7: return pick({R"({"const":"only this"})", R"({"const":{"a":[1,"two"]}})", "{}"});
      case 8: return array(depth);
      case 9: return R"({"anyOf":[)" + value(depth + 1) + "," + value(depth + 1) + "]}";
      default: return object(depth);
    }
  }

 private:
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
  std::string pick(const std::vector<std::string>& list) {
    return list[below(static_cast<std::uint32_t>(list.size()))];
  }

  std::string string_with_length() {
    const std::uint32_t max = pick_number({0, 1, 3, 31, 32, 33, 40, 127, 128, 129, 200, 70'000});
    const std::uint32_t min = std::min(max, pick_number({0, 0, 0, 1, 2, 130}));
    return R"({"type":"string","minLength":)" + std::to_string(min) + R"(,"maxLength":)" +
           std::to_string(max) + "}";
  }
  std::uint32_t pick_number(const std::vector<std::uint32_t>& list) {
    return list[below(static_cast<std::uint32_t>(list.size()))];
  }

  std::string array(int depth) {
    std::string out = R"({"type":"array","items":)" + value(depth + 1);
    if (below(3) == 0) {
      out += R"(,"prefixItems":[)" + value(depth + 1) + "," + value(depth + 1) + "]";
    }
    if (below(2) == 0) out += R"(,"minItems":)" + std::to_string(below(3));
    if (below(3) == 0) out += R"(,"maxItems":)" + std::to_string(3 + below(3));
    return out + "}";
  }

  std::string object(int depth) {
    static const std::vector<std::string> names{
        "a", "ab", "abc", "name", "names", "n\\\"", "\\u00e9t\\u00e9", "kind", "number of", "x"};
    std::string properties, required;
    for (const std::string& name : names) {
      if (below(3) != 0) continue;
      properties += (properties.empty() ? "\"" : ",\"") + name + "\":" + value(depth + 1);
      if (below(2) == 0) required += (required.empty() ? "\"" : ",\"") + name + "\"";
    }
    std::string out =
        R"({"type":"object","properties":{)" + properties + "},\"required\":[" + required + "]";
    switch (below(5)) {
      case 0: out += R"(,"additionalProperties":false)"; break;
      case 1: out += R"(,"additionalProperties":)" + value(depth + 1); break;
      case 2: out += R"(,"patternProperties":{"^x-":)" + value(depth + 1) + "}"; break;
      case 3:
        out += R"(,"patternProperties":{"^[st]$":)" + value(depth + 1) +
               R"(},"additionalProperties":false)";
        break;
      default: break;
    }
    if (below(4) == 0) out += R"(,"minProperties":)" + std::to_string(1 + below(2));
    if (below(4) == 0) out += R"(,"maxProperties":)" + std::to_string(4 + below(3));
    return out + "}";
  }

  std::mt19937 random_;
};

}  // namespace troupe
