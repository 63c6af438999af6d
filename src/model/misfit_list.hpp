// The first few things that are wrong with a checkpoint, and how many more there are: a wrong
// config makes hundreds of them.
#pragma once
#include <cstddef>
#include <string>

namespace troupe {

class misfit_list {
 public:
  void add(const std::string& text) {
    constexpr std::size_t shown = 3;
    if (++count_ > shown) return;
    if (!text_.empty()) text_ += "; ";
    text_ += text;
  }
  bool empty() const { return count_ == 0; }
  std::string text() const {
    constexpr std::size_t shown = 3;
    return count_ <= shown ? text_ + "."
                           : text_ + "; and " + std::to_string(count_ - shown) + " more.";
  }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace troupe
