#include "net/structured.hpp"

#include "net/service.hpp"

namespace troupe {

outcome<token_constraint_ptr> compile_constraint(const structured_request& ask, const service&) {
  return failure{.code = error_code::unsupported,
                 .message = ask.field + " asks for structured output, which is not offered",
                 .field = ask.field};
}

}  // namespace troupe
