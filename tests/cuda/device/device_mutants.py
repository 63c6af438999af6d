#!/usr/bin/env python3
"""Mistakes that the tests of the CUDA device must notice, built into copies of src/cuda's sources.

device_mutants.py SOURCE_FOLDER FILE   prints FILE with all its mistakes, as ../mutants.py does
device_mutants.py --run PROGRAM        makes them one after the other: each must be noticed
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import mutants  # noqa: E402
import mutants_test  # noqa: E402

DEVICE, OPERATIONS, BLOCK = "cuda_device.cpp", "cuda_operations.cpp", "step_block.cpp"
GRAPHS, SHARED, NCCL = "step_graphs.cpp", "shared_gpu_communicator.cpp", "nccl_communicator.cpp"
WEIGHTS, RUNNER, PEERS = "cuda_weights.cpp", "cuda_runner.cpp", "peer_communicator.cpp"

# As in ../mutants.py: (what is wrong, file, place, what stands there instead, tests to ask).
MUTANTS = [
    ("the end of a step's block is not uploaded", DEVICE,
     "memory.block.data(), «layout_.size», stream()", "layout_.size - 16", "logits are*"),
    ("samples are read while they are written", DEVICE,
     "«wait_for(side_stream_.get(), memory.sampled);»", "", "a graph gives*"),
    ("a step is done before its samples are here", DEVICE,
     "sizeof(device_fault), side_stream_.get()); record(memory.done, «side_stream_.get()»)",
     "stream()", "*enqueued before*"),
    ("all steps in flight have one memory", DEVICE,
     "ring_idx = «num_begun_++ % num_steps_in_flight»", "0", "*enqueued before*"),
    ("more steps are begun than there is memory for", DEVICE,
     "if («in_flight_.size() == num_steps_in_flight»)", "false", "*device can hold*"),
    ("graphs forget how many parts they have", DEVICE,
     "graphs_.begin({counts.rows, «counts.decode_parts»})", "0", "*longer contexts*"),
    ("a bucket has room for too few parts", DEVICE,
     "std::bit_ceil(std::max(rows, «counts.decode_parts»))", "0", "*longer contexts*"),
    ("a fault of the device is overlooked", DEVICE,
     "if («fault == device_fault::unknown_token») throw", "false", "*outside the vocabulary*"),
    ("every slot's lists are the first one's", DEVICE,
     "slot_lists_.data() + «slot * sizes_.list_bytes_per_slot»", "0",
     "*lists of their own*"),
    ("every slot starts as the first one", DEVICE,
     "as<sampling_slot>() + «start.slot»", "0", "*lists of their own*"),
    ("an abort is not seen while the device works", DEVICE,
     "«if (ranks_ != nullptr) ranks_->check();»", "", "*abort releases*"),
    ("samples are all the first slot's", DEVICE,
     "one{step.slots[«i»],", "0", "a graph gives*"),
    ("likely tokens are read behind the step's rows", DEVICE,
     "memory.read.data() + «options_.max_num_logit_rows» * sizeof", "step.num_rows",
     "padding rows*"),
    ("the ranks' columns are exchanged", DEVICE,
     "out.data() + row * width + «r» * columns", "(logits.num_ranks - 1 - r)",
     "*share a GPU compute*"),
    ("ranks do not hear that another one has no graph", DEVICE,
     "here[0] = «mine ? 1 : 0»", "1", "ranks do without*"),
    ("rows that do not sample keep what stood there", OPERATIONS,
     "if («rows.size() < step.num_rows»)", "false", "masks may come*"),
    ("ranks that did not sample keep their last token", OPERATIONS,
     "if («ranks.rank() == 0») return;", "true", "*meet by NCCL*"),
    ("all layers have one layer's values", OPERATIONS,
     "values_.data() + «layer * layer_bytes»", "0", "logits are*"),
    ("tokens come from the wrong slot", OPERATIONS,
     ".slots = «in_step(layout_.slots)», .next_tokens", "in_step(layout_.positions)",
     "a graph gives*"),
    ("half of the rows are summed", OPERATIONS,
     "std::uint64_t{layout_.tokens.count} * «x.width»", "(x.width / 2)", "*share a GPU compute*"),
    ("padding rows write a page", BLOCK,
     "std::ranges::fill(places, «-1»)", "0", "*padding rows*"),
    ("all of a chunk's rows go to its first page", BLOCK,
     "page_table[chunk.first_page_idx + «position / page_size_tokens»]", "0", "logits are*"),
    ("a mask is another row's", BLOCK,
     "«num_masks++»", "0", "*masks of their own*"),
    ("a size of step that had no graph is tried again", GRAPHS,
     "«without_.insert(key_);»", "", "where no graph*"),
    ("what could not be recorded is not enqueued", GRAPHS,
     "«for (const operation& one : operations_) one();»", "", "a graph that cannot*"),
    ("a rank goes without its peers", GRAPHS,
     "is_alone ? is_made : «agree(is_made)»", "is_made", "ranks do without*"),
    ("rank 0 adds what is not there yet", SHARED,
     "«wait_for_offer(r, stream);» args.ranks[r]", "", "*share a GPU compute*"),
    ("a rank goes on before the sum is there", SHARED,
     "«if (rank() != 0) wait_for_end(0, stream);»", "", "*share a GPU compute*"),
    ("an abort reaches no rank", NCCL,
     "if (*options_.is_aborted) "
     "«fail(\"A rank failed or was told to stop; the step has no result.\");»",
     "", "*abort releases*"),
    ("the sum in rank order is not taken back", NCCL,
     "«copy_on_device(x, parts, count * sizeof(bf16), stream);»", "", "deterministic ranks*"),
    ("a rank that never comes is waited for", NCCL,
     "if («clock::now() > deadline») fail", "false", "*peers never come*"),
    ("an abort does not reach a kernel that waits", PEERS,
     "abort() noexcept override { «group_->abandon();»", "", "*abort releases a kernel*"),
    ("a sum without a peer is believed", PEERS,
     "if («group_->is_abandoned()») others_->abort();", "false", "*abort releases a kernel*"),
    ("a rank goes without a word to its peers", PEERS,
     "~peer_rank() override { «group_->abandon();»", "", "*abort releases a kernel*"),
    ("long sums are longer than their memory", PEERS,
     "return «count <= staging_elements_» &&", "true", "peers add*"),
    ("a part of a row is not added", PEERS,
     "&& «count % width_ == 0»", "true", "peers add*"),
    ("memory says that it was used before", PEERS,
     "«fill_zero(mine.epochs.data(), mine.epochs.size(), stream.get());»", "", "peers add*"),
    ("all ranks are the first", PEERS,
     ".rank = «rank», .epochs", "0U", "peers add*"),
    ("what a step without its peers left is believed", DEVICE,
     "«if (ranks_ != nullptr) ranks_->check();» return has", "if (!has) ranks_->check();",
     "*abort releases a kernel*"),
    ("weights are overwritten on their way", WEIGHTS,
     "«check_cuda(cudaEventSynchronize(one.copied.get()), \"cudaEventSynchronize\");»", "",
     "*large matrix*"),
    ("all stages of a matrix go to its first rows", WEIGHTS,
     "copy_to_device(matrix->row(«first»)", "0", "*large matrix*"),
    ("new runners do not wait for the memory of those before", RUNNER,
     "«wait_for_leases(*model);» auto ranks", "", "new runners*"),
    ("a process takes the GPUs of other processes", RUNNER,
     "static_cast<int>(«rank - options.first_rank»)", "rank", "a process needs*"),
    ("a process uploads the first ranks' weights", RUNNER,
     "const std::uint32_t first = «model.options.first_rank»;", "0",
     "ranks of several processes*"),
]
FILES = sorted({file for _, file, *_ in MUTANTS})


def main(arguments):
    if arguments[0] == "--run":
        return mutants_test.main(arguments[1], MUTANTS)
    folder, name = arguments
    text = (pathlib.Path(folder) / name).read_text(encoding="utf-8")
    print(mutants.with_mistakes(text, MUTANTS, name))
    return 0


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
