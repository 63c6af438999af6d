#include "core/metrics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace troupe {
namespace {

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> text{};
  auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

void append_labels(std::string& out, const metric_labels& labels) {
  for (auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    for (char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n')
        out += "\\n";
      else
        out += c;
    }
    out += '"';
  }
}

void append_sample(std::string& out, std::string_view name, std::string_view labels, double value) {
  out += name;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  append_number(out, value);
  out += '\n';
}

}  // namespace

histogram::histogram(std::span<const double> upper_bounds)
    : upper_bounds_(upper_bounds.begin(), upper_bounds.end()), counts_(upper_bounds.size() + 1) {}

void histogram::observe(double value) {
  auto bucket = std::ranges::lower_bound(upper_bounds_, value) - upper_bounds_.begin();
  ++counts_[static_cast<std::size_t>(bucket)];
  ++count_;
  sum_ += value;
}

void histogram::render(std::string& out, std::string_view name, std::string_view labels) const {
  std::string prefix{labels};
  if (!prefix.empty()) prefix += ',';
  auto bucket_name = std::string{name} + "_bucket";
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    cumulative += counts_[i];
    std::string le = prefix + "le=\"";
    append_number(le, i < upper_bounds_.size() ? upper_bounds_[i] : INFINITY);
    append_sample(out, bucket_name, le + '"', static_cast<double>(cumulative));
  }
  append_sample(out, std::string{name} + "_sum", labels, sum_);
  append_sample(out, std::string{name} + "_count", labels, static_cast<double>(count_));
}

metrics_text::metrics_text(metric_labels common) : common_(std::move(common)) {}

void metrics_text::family(std::string_view name, kind type, std::string_view help) {
  static constexpr std::array<std::string_view, 3> types{"counter", "gauge", "histogram"};
  family_ = name;
  out_.append("# HELP ").append(name).append(" ").append(help);
  out_.append("\n# TYPE ").append(name).append(" ");
  out_.append(types[static_cast<std::size_t>(type)]).append("\n");
}

void metrics_text::sample(double value, const metric_labels& more) {
  append_sample(out_, family_, label_text(more), value);
}

void metrics_text::sample(const histogram& values, const metric_labels& more) {
  values.render(out_, family_, label_text(more));
}

std::string metrics_text::label_text(const metric_labels& more) const {
  std::string text;
  append_labels(text, common_);
  append_labels(text, more);
  return text;
}

std::span<const double> first_token_buckets() {
  static constexpr std::array bounds{.001, .005, .01, .02, .04, .06, .08, .1,  .25,  .5,   .75,
                                     1.,   2.5,  5.,  7.5, 10., 20., 40., 80., 160., 640., 2560.};
  return bounds;
}

std::span<const double> inter_token_buckets() {
  static constexpr std::array bounds{.001, .0025, .005, .01, .025, .05, .075, .1,  .15, .2,  .3,
                                     .4,   .5,    .75,  1.,  2.5,  5.,  7.5,  10., 20., 40., 80.};
  return bounds;
}

std::span<const double> request_buckets() {
  static constexpr std::array bounds{.01, .05, .1,   .3,   .5,   .8,   1.,    1.5,
                                     2.,  2.5, 5.,   10.,  15.,  20.,  30.,   40.,
                                     50., 60., 120., 240., 480., 960., 1920., 7680.};
  return bounds;
}

std::span<const double> step_token_buckets() {
  static constexpr std::array bounds{1.,   8.,    16.,   32.,   64.,   128.,  256.,
                                     512., 1024., 2048., 4096., 8192., 16384.};
  return bounds;
}

std::span<const double> choice_buckets() {
  static constexpr std::array bounds{1., 2., 5., 10., 20.};
  return bounds;
}

std::span<const double> mask_buckets() {
  static constexpr std::array bounds{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4,
                                     5e-4, .001, .002, .005, .01,  .1,   1.};
  return bounds;
}

std::span<const double> compile_buckets() {
  static constexpr std::array bounds{1e-4, 2e-4, 5e-4, .001, .002, .005, .01,
                                     .02,  .05,  .1,   .2,   .5,   1.,   2.};
  return bounds;
}

std::vector<double> one_two_five_buckets(double max_value) {
  std::vector<double> bounds;
  for (double power = 1;; power *= 10)
    for (double mantissa : {1., 2., 5.}) {
      if (mantissa * power > max_value) return bounds;
      bounds.push_back(mantissa * power);
    }
}

}  // namespace troupe
