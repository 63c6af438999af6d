// One file or several shards of a checkpoint: the second half of model/safetensors.hpp.
#include "model/mapped_file.hpp"
#include "model/safetensors.hpp"
#include "text/file.hpp"
#include "text/json.hpp"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace troupe {
namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";
constexpr std::uint64_t max_index_bytes = 64U << 20;
constexpr std::size_t max_shards = 4096;

using weight_map = std::map<std::string, std::string, std::less<>>;  // tensor -> file
using mappings = std::vector<mapped_file>;

failure refuse_index(std::string why) {
  return {error_code::invalid_argument, std::string(index_name) + ": " + std::move(why),
          index_name};
}

// A name in the same directory and nothing else, so that an index cannot lead out of it.
bool is_plain_file_name(const std::string& name) {
  const bool is_safetensors = name.ends_with(".safetensors") && name.front() != '.';
  return is_safetensors && name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

outcome<weight_map> parse_index(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) return refuse_index(parsed.error().message);
  const json_value* member = parsed->find("weight_map");
  const json_object* named = member == nullptr ? nullptr : member->as_object();
  if (named == nullptr) return refuse_index("weight_map is missing or no object.");
  weight_map out;
  std::set<std::string, std::less<>> files;
  for (const auto& [tensor, file] : *named) {
    const std::string* name = file.as_string();
    if (name == nullptr || !is_plain_file_name(*name)) {
      return refuse_index("tensor " + tensor +
                          " does not name a plain file that ends in .safetensors.");
    }
    files.insert(*name);
    out.emplace(tensor, *name);
  }
  if (files.empty() || files.size() > max_shards) {
    return refuse_index("weight_map names " + std::to_string(files.size()) +
                        " files; 1 to 4096 were expected.");
  }
  return out;
}

outcome<tensor_map> map_file(const std::filesystem::path& path, mappings& mapped) {
  auto file = mapped_file::open(path);
  if (!file) return std::move(file).error();
  auto tensors = parse_safetensors(file->bytes(), path.filename().string());
  if (tensors) mapped.push_back(*file);
  return tensors;
}

// Moves a shard's tensors over, if the index says that each stands there.
refusal merge_shard(const weight_map& index, const std::string& file, tensor_map shard,
                    tensor_map& out) {
  for (auto& [name, tensor] : shard) {
    const auto stated = index.find(name);
    if (stated == index.end() || stated->second != file) {
      return refuse_index(
          "tensor " + name + " stands in " + file + ", but weight_map " +
          (stated == index.end() ? "does not name it." : "says " + stated->second + "."));
    }
    out.emplace(name, std::move(tensor));
  }
  return nothing{};
}

outcome<tensor_map> map_shards(const std::filesystem::path& model_dir, mappings& mapped) {
  auto text = read_file(model_dir / index_name, max_index_bytes);
  if (!text) return std::move(text).error();
  auto index = parse_index(*text);
  if (!index) return std::move(index).error();
  std::set<std::string> files;
  for (const auto& [tensor, file] : *index) files.insert(file);
  tensor_map out;
  for (const std::string& file : files) {
    auto shard = map_file(model_dir / file, mapped);
    if (!shard) return std::move(shard).error();
    auto merged = merge_shard(*index, file, *std::move(shard), out);
    if (!merged) return std::move(merged).error();
  }
  for (const auto& [tensor, file] : *index) {
    if (!out.contains(tensor)) {
      return refuse_index("tensor " + tensor + " is not in " + file + ", where weight_map says.");
    }
  }
  return out;
}

}  // namespace

outcome<checkpoint> open_checkpoint(const std::filesystem::path& model_dir) {
  mappings mapped;
  auto tensors = map_file(model_dir / single_name, mapped);
  if (!tensors && tensors.error().code == error_code::not_found) {
    tensors = map_shards(model_dir, mapped);
    if (!tensors && tensors.error().code == error_code::not_found &&
        tensors.error().field == index_name) {
      return failure{
          error_code::not_found,
          model_dir.string() + " holds neither " + single_name + " nor " + index_name + ".",
          model_dir.string()};
    }
  }
  if (!tensors) return std::move(tensors).error();
  return checkpoint{*std::move(tensors), std::make_shared<const mappings>(std::move(mapped))};
}

}  // namespace troupe
