#include "engine/weight_choice.hpp"

#include <string>

namespace troupe {

outcome<weight_format> choose_weight_format(quantization wanted, const model_config& config) {
  if (config.published && (wanted == quantization::int8 || wanted == quantization::int4)) {
    return failure{error_code::invalid_argument,
                   "--quantization: the checkpoint's layers are quantised already (" +
                       std::string(to_string(config.published->layout)) + ", " +
                       std::to_string(config.published->bits) +
                       " bits); auto, which takes them as they are, or none, which makes floats of "
                       "them, was expected",
                   "--quantization",
                   {}};
  }
  switch (wanted) {
    case quantization::int8: return weight_format::int8;
    case quantization::int4: return weight_format::int4;
    case quantization::none: return weight_format::plain;
    case quantization::automatic: break;
  }
  if (!config.published) return weight_format::plain;
  return config.published->bits == 4 ? weight_format::int4 : weight_format::int8;
}

}  // namespace troupe
