#include "text/grammar/char_class.hpp"

#include <utf8proc.h>

#include <array>
#include <string>

namespace troupe::grammar {
namespace {

symbol_set of_categories(const std::string& name) {
  symbol_set out;
  for (symbol c = 0; c <= last_code_point; ++c) {
    const std::string_view category = utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
    if (!category.starts_with(name)) continue;
    if (!out.empty() && out.back().high + 1 == c) {
      out.back().high = c;
    } else {
      out.push_back({c, c});
    }
  }
  return out;
}

}  // namespace

std::optional<symbol_set> named_class(char32_t letter) {
  const symbol_set digits{{'0', '9'}};
  const symbol_set word{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  const symbol_set space{{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                         {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                         {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  switch (letter) {
    case 'd': return digits;
    case 'D': return complement(digits, last_code_point);
    case 'w': return word;
    case 'W': return complement(word, last_code_point);
    case 's': return space;
    case 'S': return complement(space, last_code_point);
    case 't': return symbol_set{{9, 9}};
    case 'n': return symbol_set{{10, 10}};
    case 'v': return symbol_set{{11, 11}};
    case 'f': return symbol_set{{12, 12}};
    case 'r': return symbol_set{{13, 13}};
    default: return std::nullopt;
  }
}

symbol_set line_ends() { return {{0x0A, 0x0A}, {0x0D, 0x0D}, {0x2028, 0x2029}}; }

std::optional<symbol_set> property_class(std::string_view name) {
  struct alias {
    std::string_view name, category;
  };
  constexpr std::array aliases{alias{"Letter", "L"},
                               alias{"Uppercase_Letter", "Lu"},
                               alias{"Lowercase_Letter", "Ll"},
                               alias{"Number", "N"},
                               alias{"Decimal_Number", "Nd"},
                               alias{"digit", "Nd"},
                               alias{"Punctuation", "P"},
                               alias{"Symbol", "S"},
                               alias{"Separator", "Z"},
                               alias{"Mark", "M"},
                               alias{"Space_Separator", "Zs"}};
  constexpr std::string_view categories =
      " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp ";
  for (const alias& each : aliases) {
    if (each.name == name) return of_categories(std::string(each.category));
  }
  const auto at = categories.find(name);
  if (name.empty() || name.size() > 2 || at == std::string_view::npos) return std::nullopt;
  if (categories[at - 1] != ' ' || categories[at + name.size()] != ' ') return std::nullopt;
  return of_categories(std::string(name));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace troupe::grammar
