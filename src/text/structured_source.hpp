// What a body asks for, as the actors take it that compile and keep grammars.
#pragma once
#include <memory>
#include <string>

#include "core/grammar_source.hpp"
#include "text/structured.hpp"

namespace troupe {

class structured_source : public grammar_source {
 public:
  // Takes time of the order of the request's size.
  structured_source(structured_request ask, std::shared_ptr<const grammar_compiler> how);

  const std::string& key() const override { return key_; }
  grammar_outcome<bound_grammar> compile() const override;
  const structured_request& request() const { return ask_; }

 private:
  structured_request ask_;
  std::shared_ptr<const grammar_compiler> how_;
  std::string key_;
};

}  // namespace troupe
