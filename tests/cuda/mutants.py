#!/usr/bin/env python3
"""Mistakes that the tests of the kernels must notice, built into copies of the kernels.

mutants.py KERNEL_FOLDER KERNEL    prints KERNEL.cu with its headers and all its mistakes. Which is
                                   made is decided when it runs: int troupe_mutant, 0 for none.
"""
import pathlib
import re
import sys

DECODE, PREFILL, WGMMA = "decode_attention", "prefill_attention", "wgmma_prefill_attention"

# (what is wrong, kernel, the place: «this» is replaced, what stands there instead, tests to ask).
# Blanks match any blanks. A statement ends in a semicolon, everything else is an expression.
MUTANTS = [
    ("copies are used before they arrive", DECODE,
     "«await_copies<stages - 1>();» __syncwarp();", "await_copies<stages>();", "decode*"),
    ("copies of other lanes are used without a barrier", DECODE,
     "await_copies<stages - 1>(); «__syncwarp();»", "", "decode*"),
    ("what lies behind the context is multiplied by zero", DECODE,
     "«clear_values<Dim>(values, num_keys);»", "", "decode*"),
    ("one key too many is seen", DECODE,
     "«lane / 4 + i / 2 * 8 < num_keys»", "lane / 4 + i / 2 * 8 <= num_keys", "decode*"),
    ("values reach the wrong fragment", DECODE,
     "row = «lane % 8 + lane / 16 * 8»", "lane % 16", "decode*"),
    ("results are written over tiles that others read", DECODE,
     "part, kv_head); «__syncthreads();»", "", "decode*"),
    ("results are read before they are written", DECODE,
     "hand_over<Dim>(results, heads); «__syncthreads();»", "", "decode*"),
    ("the total does not shrink with a new maximum", DECODE,
     "= «heads.totals[head] * shrink» +", "heads.totals[head]", "decode*"),
    ("totals of parts are added without their share", DECODE,
     "total += «share * args.partial_scale[place * 2 + 1]»", "args.partial_scale[place * 2 + 1]",
     "decode*"),
    ("rows of two parts are taken for done", DECODE,
     "if («part.num_parts == 1»)", "part.num_parts <= 2", "decode*"),
    ("the second page of a ring is skipped", DECODE,
     "«page + num_warps * s»", "page + num_warps * (s + s / 2)", "decode*"),
    ("a query does not see itself", PREFILL,
     "«key <= positions[i / 2]»", "key < positions[i / 2]", "prefill*"),
    ("tiles are overwritten while they are read", PREFILL,
     "(rows, scores, values); // The next copies go where these tiles are read. «__syncthreads();»",
     "", "prefill*"),
    ("copies are used before they arrive", PREFILL,
     "«await_copies<1>();»", "await_copies<2>();", "prefill*"),
    ("copies of other warps are used without a barrier", PREFILL,
     "await_copies<1>(); «__syncthreads();»", "__syncwarp();", "prefill*"),
    ("positions are counted by queries", PREFILL,
     "first_position + «(view.tile.first_query + query) / view.group»",
     "(view.tile.first_query + query)", "prefill*"),
    ("half of the totals are not added", PREFILL,
     "«rows.totals[row] += __shfl_xor_sync(full_mask, rows.totals[row], 2);»", "", "prefill*"),
    ("all queries are of the first head", PREFILL,
     "view.group + «packed % view.group») * Dim", "0", "prefill*"),
    ("keys past the last visible one are read", PREFILL,
     "«wanted < view.last_visible ? wanted : view.last_visible»", "wanted", "prefill*"),
    ("bytes are used before all warps have expanded theirs", PREFILL,
     "block * tile_keys, view); «__syncthreads();» keys = expanded", "__syncwarp();",
     "*of bytes*"),
    ("queries are multiplied before the tensor cores can see them", WGMMA,
     "await_copies<0>(); «show_to_engines();»", "", "wgmma*"),
    ("queries of other warps are multiplied before they are there", WGMMA,
     "await_copies<0>(); show_to_engines(); «mine.meet();»", "", "wgmma*"),
    ("cleared values are multiplied before the tensor cores can see them", WGMMA,
     "vec16{}); } } «show_to_engines();»", "", "wgmma*"),
    ("values of other warps are multiplied before they are cleared", WGMMA,
     "vec16{}); } } show_to_engines(); «mine.meet();»", "", "wgmma*"),
    ("what lies behind the context is multiplied by zero", WGMMA,
     "at = «num_keys * chunks + mine.thread»", "tile_keys * chunks", "wgmma*"),
    ("one value too few is cleared", WGMMA,
     "«view.last_visible + 1 - last * tile_keys», mine", "view.last_visible + 2 - last * tile_keys",
     "wgmma*"),
    ("scores are read before they are there", WGMMA,
     "«await_products<1>(); keys.release(block);»", "await_products<2>(); keys.release(block);",
     "wgmma*"),
    ("keys are given back while they are read", WGMMA,
     "«await_products<1>(); keys.release(block);»", "keys.release(block); await_products<1>();",
     "wgmma*"),
    ("sums and weights change while they are used", WGMMA,
     "«await_products<0>(); values.release(block - 1);»", "values.release(block - 1);", "wgmma*"),
    ("values are given back while they are read", WGMMA,
     "«await_products<0>(); values.release(block - 1);»",
     "values.release(block - 1); await_products<0>();", "wgmma*"),
    ("sums are stored before they are there", WGMMA,
     "«await_products<0>();» store_rows", "", "wgmma*"),
    ("blocks are copied over those in use", WGMMA,
     "«await_phase(ring.empty(block), block_ring<Dim>::parity(block) ^ 1U);»", "", "wgmma*"),
    ("keys are used before they arrive", WGMMA,
     "«keys.await(block);»", "", "wgmma*"),
    ("values are used before they arrive", WGMMA,
     "«values.await(block - 1);»", "", "wgmma*"),
    ("all phases are taken for the first", WGMMA,
     "return «block / num_stages % 2»;", "0", "wgmma*"),
    ("half of a block is awaited", WGMMA,
     "«num_pages * tiles::page_bytes»", "num_pages * tiles::page_bytes / 2", "wgmma*"),
    ("a block is given back when one warp has not read it", WGMMA,
     "make_barrier(empty(stage), «num_multiplying_warps»)", "num_multiplying_warps - 1", "wgmma*"),
    ("copies do not know their barriers", WGMMA,
     "«if (is_copying) show_to_engines();»", "", "wgmma*"),
    ("sums are not handed to the multiplications", WGMMA,
     "settle_all(rows.out); «begin_products();»", "", "wgmma*"),
    ("scores of two blocks are added", WGMMA, "column, 0), «k > 0»", "true", "wgmma*"),
    ("patterns lie too close", WGMMA,
     "static_cast<std::uint64_t>(«pattern_bytes >> 4U») << 32U", "pattern_bytes >> 5U", "wgmma*"),
    ("all values are those of the first keys", WGMMA,
     "values + «k * 2 * pattern_bytes»", "k * pattern_bytes", "wgmma*"),
    ("the second panel of values is the first", WGMMA,
     "pattern_bytes, «wgmma_tiles<Dim>::panel_bytes»)", "0U", "wgmma*"),
    ("columns are read twice", WGMMA, "column = «k % panel_steps * 32»", "k % panel_steps * 16",
     "wgmma*"),
    ("both warpgroups have the first queries", WGMMA,
     "rows = queries + «mine.first_query() * panel_row_bytes»", "0U", "wgmma*"),
    ("queries stand in no pattern", WGMMA,
     "«(chunk ^ (row & 7U))» * 16; } // What", "chunk", "wgmma*"),
    ("a block that ends past a query is not masked", WGMMA,
     "«block * tile_keys + tile_keys - 1 > first_position»", "block * tile_keys > first_position",
     "wgmma*"),
    ("a query does not see itself", WGMMA,
     "«key <= positions[i / 2]»", "key < positions[i / 2]", "wgmma*"),
    ("a turn is given to nobody", WGMMA,
     "«mine.group == 0 || block + 1 < num_blocks»", "true", "wgmma*"),
    ("no registers are lent", WGMMA, "«lend_registers<copying_registers>();»", "", "wgmma*"),
    ("every page is the first of its block", WGMMA,
     "«__shfl_sync(full_mask, page, static_cast<int>(i))»",
     "__shfl_sync(full_mask, page, 0)", "wgmma*"),
    ("sums do not shrink with a new maximum", WGMMA,
     "«shrink_sums<Dim>(rows, shrink);»", "", "wgmma*"),
    ("the second panel of a page lands in the first", WGMMA,
     "place + «panel * tiles::panel_bytes», map", "0U", "wgmma*"),
    ("every row has the exponent of its page's first", DECODE,
     "page[«page_size_tokens * Dim + row»]", "page_size_tokens * Dim", "*of bytes*"),
    ("rows have the exponents of other keys", PREFILL,
     "rows[tile_keys * Dim + «(key - first_key)»]", "((key - first_key) ^ 1U)", "*of bytes*"),
    ("exponents of all pages are those of the first", PREFILL,
     "seen_key(«first_key + page * page_size_tokens», view)", "first_key", "*of bytes*"),
    ("bytes are cut off instead of rounded", "rope_kv_write",
     "«magnitude + 0x7FFFFU + (magnitude >> 20U & 1U)»", "magnitude", "*to bytes*"),
    ("ties go up", "rope_kv_write",
     "«magnitude + 0x7FFFFU + (magnitude >> 20U & 1U)»", "magnitude + 0x80000U", "*to bytes*"),
    ("what is too large becomes NaN", "rope_kv_write",
     "return sign | «0x7EU»", "0x7FU", "*to bytes*"),
    ("small numbers are zero", "rope_kv_write",
     "«(bits_of(float_of(magnitude) + 0x1p14F) - bits_of(0x1p14F))»", "0U", "*to bytes*"),
    ("a row's exponent is that of its first thread", "rope_kv_write",
     "«largest = fmaxf(largest, __shfl_xor_sync(full_mask, largest, static_cast<int>(lanes)));»",
     "(void)__shfl_xor_sync(full_mask, largest, static_cast<int>(lanes));", "*to bytes*"),
    ("exponents of a page are one", "rope_kv_write",
     "heads.head_dim + «line.token»] = static_cast", "0", "*to bytes*"),
    ("the row's largest number does not fit", "rope_kv_write",
     "«((bits_of(largest) + 0x1FFFFFU) >> 23U) - 8U»", "(bits_of(largest) >> 23U) - 8U",
     "*to bytes*"),
    ("keys turn against their queries", "rope_kv_write",
     "«low_of(b) * c0 + low_of(a) * s0»", "low_of(b) * c0 - low_of(a) * s0", "rope*"),
    ("padding rows write a page", "rope_kv_write",
     "is_idle = head >= num_heads || «(!is_query && place < 0)»", "false", "rope*"),
    ("every row is the first of its page", "rope_kv_write",
     "«place % page_size_tokens»};", "0", "rope*"),
    ("the scaled table is never used", "rope_kv_write",
     "args.tables[«args.ropes[row]»]", "0", "rope*"),
    ("sums of warps are read before they are there", "add_rms_norm",
     "memory.warp_sums[warp] = x; «__syncthreads();»", "", "add_rms*"),
    ("warps that there are not have sums", "add_rms_norm",
     "«lane < blockDim.x / warp_size ? memory.warp_sums[lane] : 0.0F»", "memory.warp_sums[lane]",
     "add_rms*"),
    ("rows of the step are taken for rows of the output", "add_rms_norm",
     "target = static_cast<std::size_t>(«blockIdx.x»)", "row", "add_rms*"),
    ("the shares of warps are added before they are there", "skinny_linear",
     "= sums[i]; } «__syncthreads();»", "", "*skinny*"),
    ("the halves of x are exchanged", "skinny_linear",
     "«multiply_add(sums, a, tile.x.words[2 * half], tile.x.words[2 * half + 1]);»",
     "multiply_add(sums, a, tile.x.words[2 * half + 1], tile.x.words[2 * half]);", "*skinny*"),
    ("columns past the end are read", "skinny_linear",
     "if («column >= in_features»)", "false", "*skinny*"),
    ("the last row of x is left out", "skinny_linear",
     "row_of(args.x, lane / 4, «args.num_rows»)", "args.num_rows - 1", "*skinny*"),
    ("lanes past the end of a group forget its scale", "byte_linear",
     "out.top_scale = half_to_float(rows.top_scales[«first_column / group_size»])",
     "(is_inside ? first_column : 0) / group_size", "byte_linear*"),
    ("bytes are unsigned", "byte_linear",
     "shifted = «bytes ^ 0x80808080U»", "bytes", "*byte*"),
    ("the lower rows of a tile have the scale of the upper ones", "byte_linear",
     "part[2] * «tile.bottom_scale»", "tile.top_scale", "byte_linear*"),
    ("sums of warps are read before they are there", "byte_linear",
     "= sums[eight][i]; } } «__syncthreads();»", "", "byte_linear*"),
    ("rows past the eighth are the first ones", "byte_linear",
     "row = «eight * 8 + x_row»", "x_row", "byte_linear*"),
    ("columns of x past the end are read", "byte_linear",
     "row < args.num_rows && «column < args.in_features»", "true", "byte_linear*"),
    ("the second half of x is the first", "byte_linear",
     "columns[1] = load_16(«x + 8»)", "x", "byte_linear*"),
    ("every group has the first one's scale", "byte_linear",
     "args.scales[row * groups + «column / group_size»]", "0", "expand_weights*"),
    ("numbers of bytes have the row's first scale", "embed",
     "args.scales[row * groups + «column / group_size»]", "0", "embed*"),
    ("top_p removes one too few", "sample",
     "before <= limit && «limit < before + first»", "limit <= before + first", "Sampling*"),
    ("one equal too many goes", "sample",
     "find_equal(order, kept, «num_gone»)", "num_gone + 1", "Sampling*"),
    ("minus zero is below zero", "sample",
     "bits_of(«logit == 0.0F ? 0.0F : logit»)", "logit", "Sampling*"),
    ("the draw takes the token before", "sample",
     "running - w <= target && «target < running»", "target <= running", "Sampling*"),
    ("a second bias races with the first", "sample",
     "«if (!is_first) continue;»", "", "Sampling*"),
    ("biases are added to what is not there yet", "sample",
     "logits[i] = row.masked(i); «__syncthreads();»", "", "Sampling*"),
    ("min_tokens counts one more", "sample",
     "__syncthreads(); if («slot.num_outputs < slot.min_tokens»)",
     "slot.num_outputs <= slot.min_tokens", "Sampling*"),
    ("what is no number is believed", "sample",
     "if («logit != logit») *args.fault", "false", "Sampling*"),
    ("wrong drafts are gone on with", "sample",
     "i + 1 < group.num_rows && «token != args.tokens[args.logit_rows[row + 1]]»", "false",
     "Sampling*"),
    ("repeated tokens are not counted", "sample",
     "«++memory.slot.uses[i].num_outputs;»", "", "Sampling*"),
    ("running sums are read before they are there", "sample",
     "memory.of_warps[warp] = running; «__syncthreads();»", "", "Sampling*"),
    ("the k-th highest goes, too", "sample",
     "find_order(one, «count - k», below)", "count - k + 1", "Sampling*"),
    ("a likely token is listed twice", "sample",
     "if («rank < bound» && rank > best)", "rank <= bound", "Sampling*"),
    ("the first sample of a slot is stored over the last", "sample",
     "if («!is_followed»)", "true", "Samples of*"),
    ("some threads do not wait for the peers", "rank_sums",
     "is_abandoned(args)) break; } } «__syncthreads();»", "", "peer*"),
    ("a group that was abandoned is waited for", "rank_sums",
     "if («turn % turns_between_looks == 0 && is_abandoned(args)») break;", "false",
     "A peer that never*"),
    ("the flag comes before what was staged", "rank_sums",
     "// Everything that this block has staged comes before its flag. «__syncthreads();»", "",
     "peer*"),
    ("blocks forget how often they have run", "rank_sums",
     "«if (threadIdx.x == 0) args.epochs[blockIdx.x] = epoch + 2;»", "", "peer*"),
    ("sums of others are read before they are there", "rank_sums",
     "«meet_peers(args, epoch + 2);»", "", "peer*"),
    ("all calls stage in the same half", "rank_sums",
     "half = «epoch / 2 % 2 == 0»", "true", "peer*"),
    ("the second meeting is taken for the first", "rank_sums",
     "«meet_peers(args, epoch + 2);»", "meet_peers(args, epoch + 1);", "peer*"),
    ("a row's sum is read from another rank than its owner", "rank_sums",
     "staging[«owner_of(row, args.num_ranks)»]", "(row % args.num_ranks)", "peer*"),
    ("long messages go in one shot", "rank_sums",
     "count * sizeof(bf16) > «one_shot_bytes»", "~0ULL", "peer*"),
    ("a residual is normed over threads that have none of it", "rank_sums",
     "squares = «add_words(x, addend)»", "add_words(x, addend) + 1.0F", "peer*"),
    ("one rank is left out", "rank_sums",
     "if («r < args.num_ranks») add_to(sums, load_16(args.ranks[r] + i));",
     "r + 1 < args.num_ranks", "sum_ranks*"),
    ("last_sampled is taken from another slot", "embed",
     "args.next_tokens[«args.slots[row]»]", "0", "embed*"),
    ("the gate of minus infinity is NaN", "silu_mul",
     "«x < -100.0F» ? 0.0F", "false", "silu*"),
    ("layers of the target lie as those of the source", "copy_pages",
     "blockIdx.y * «args.to_layer_bytes»", "args.from_layer_bytes", "copy*"),
]


def with_headers(folder, name, seen):
    """The source with the headers beside it, but the one that knows the machine, in their place."""
    text = (folder / name).read_text(encoding="utf-8")

    def insert(found):
        header = found[1]
        if header == "gpu.cuh":
            return found[0]
        if header in seen:
            return ""
        seen.add(header)
        return with_headers(folder, header, seen).replace("#pragma once\n", "")
    return re.sub(r'#include "cuda/kernels/([\w.]+)"\n', insert, text)


def pattern_of(place):
    """A regular expression of the place, with what stands in «» as its group `this`."""
    escaped = re.escape(place).replace("«", "(?P<this>").replace("»", ")")
    return re.sub(r"(\\\s)+", r"\\s*", escaped)


def span_of(text, place):
    """Where the only place like this stands."""
    found = list(re.finditer(pattern_of(place), text))
    if len(found) != 1:
        raise ValueError(f"{len(found)} places like: {place}")
    return found[0].span("this")


def choice(number, this, instead):
    """What stands there or the mistake, by the number that is chosen when it runs."""
    if this.endswith((";", "}")):
        return f"if (troupe_mutant == {number}) {{ {instead} }} else {{ {this} }}"
    return f"(troupe_mutant == {number} ? ({instead}) : ({this}))"


def mutated(folder, kernel):
    """The kernel with all its mistakes."""
    return with_mistakes(with_headers(folder, kernel + ".cu", set()), MUTANTS, kernel)


def with_mistakes(text, mutants, name):
    """The text with those of the mistakes that are of this name."""
    spans = [(span_of(text, place), number, instead)
             for number, (_, of_name, place, instead, _) in enumerate(mutants, 1)
             if of_name == name]
    places = {}
    for span, number, instead in spans:
        places.setdefault(span, []).append((number, instead))
    # From the back, so that the places before stay where they are.
    for (start, end), mistakes in sorted(places.items(), reverse=True):
        this = text[start:end]
        for number, instead in mistakes:
            this = choice(number, this, instead)
        text = text[:start] + this + text[end:]
    return "extern const int troupe_mutant;\n" + text


if __name__ == "__main__":
    print(mutated(pathlib.Path(sys.argv[1]), sys.argv[2]))
