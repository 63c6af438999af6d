// A rank whose peers are behind connections, in this process or another. Its sums are in rank
// order, as those of ranks that share memory are: the same bits, wherever the ranks live.
#pragma once
#include <memory>
#include <vector>

#include "link/byte_link.hpp"
#include "model/communicator.hpp"

namespace troupe {

// links[r]: the way to rank r; null at `rank` itself. Buffers grow to twice the largest reduction
// and stay. abort() ends the waiting of the peers, too: their connections end.
std::unique_ptr<host_communicator> make_linked_communicator(
    std::uint32_t rank, std::vector<std::unique_ptr<byte_link>> links);

}  // namespace troupe
