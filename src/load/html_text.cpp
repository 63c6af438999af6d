#include "load/html_text.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "text/utf8.hpp"

namespace troupe::load {
namespace {

std::string fixed(double value, int digits) {
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%.*f", digits, value);
  return out.data();
}

// Three digits that count, and no zeros behind the point that say nothing of a whole number.
std::string three_digits(double value) {
  if (value >= 99.95 || value == std::floor(value)) return fixed(value, 0);
  return fixed(value, value >= 9.995 ? 1 : 2);
}

std::string seconds_text(double value) {
  if (value == 0) return "0 s";
  if (value < 0.9995e-3) return three_digits(value * 1e6) + " µs";
  if (value < 0.9995) return three_digits(value * 1e3) + " ms";
  if (value < 599.5) return three_digits(value) + " s";
  return value < 5970 ? three_digits(value / 60) + " min" : three_digits(value / 3600) + " h";
}

std::string count_text(double value) {
  if (value >= 999'500) return three_digits(value / 1e6) + " M";
  if (value >= 9'995) return three_digits(value / 1e3) + " k";
  if (value >= 999.5) return fixed(value, 0);
  return value > 0 && value < 0.01 ? fixed(value, 4) : three_digits(value);
}

std::string bytes_text(double value) {
  constexpr std::array units = {" B", " KiB", " MiB", " GiB", " TiB"};
  std::size_t step = 0;
  for (; value >= 1000 && step + 1 < units.size(); ++step) value /= 1024;
  return three_digits(value) + units[step];
}

std::string share_text(double value) {
  auto percent = value * 100;
  // All but a few in a million is not all.
  if (percent > 99.9 && percent < 100) return fixed(std::min(percent, 99.9999), 4) + " %";
  return three_digits(percent) + " %";
}

bool may_stand_in_documents(unsigned char byte) {
  return byte >= 0x20 || byte == '\t' || byte == '\n' || byte == '\r';
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : repair_utf8(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case 0x7f: out += "\uFFFD"; break;
      default:
        if (may_stand_in_documents(static_cast<unsigned char>(c))) {
          out += c;
        } else {
          out += "\uFFFD";
        }
    }
  }
  return out;
}

std::string unit_text(unit what, double value) {
  if (!(value >= 0)) return "–";
  switch (what) {
    case unit::count: return count_text(value);
    case unit::seconds: return seconds_text(value);
    case unit::bytes: return bytes_text(value);
    case unit::share: return share_text(value);
  }
  return "";
}

std::string signed_text(unit what, double value) {
  if (std::isnan(value)) return "–";
  auto size = unit_text(what, std::abs(value));
  return value > 0 ? "+" + size : value < 0 ? "−" + size : size;
}

std::string clock_text(double seconds) {
  auto whole = std::llround(std::max(0.0, seconds));
  std::array<char, 64> out{};
  if (whole >= 3600)
    std::snprintf(out.data(), out.size(), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  else
    std::snprintf(out.data(), out.size(), "%lld:%02lld", whole / 60, whole % 60);
  return out.data();
}

}  // namespace troupe::load
