// What the requests of one call have used of tokens, and the charge for it: whoever drops the
// account last gives the unused part back. Lives on one strand.
#pragma once
#include "actors/gatekeeper.hpp"
#include "core/request.hpp"

namespace troupe {

class token_account {
 public:
  token_account() = default;
  ~token_account();
  token_account(const token_account&) = delete;
  token_account& operator=(const token_account&) = delete;

  // The gatekeeper granted it.
  void hold(gatekeeper keeper, charge_tokens charge);
  // At the end of each request.
  void spend(const token_usage& usage);
  const token_usage& usage() const { return usage_; }

 private:
  gatekeeper keeper_;
  charge_tokens charge_;
  token_usage usage_;
};

}  // namespace troupe
